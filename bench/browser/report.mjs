// Progress while it runs, and one table at the end, like the other parts'.

const rows = [];

/** Says on standard error what is being done. */
export function step(what) {
  console.error(`[${(performance.now() / 1000).toFixed(1).padStart(5)} s] ${what}`);
}

export function figure(what, measured, target = '') {
  rows.push({ what, measured, target });
  step(`${what}: ${measured}`);
}

export function print() {
  console.log('\n| what | measured | target |\n|---|---|---|');
  for (const { what, measured, target } of rows) console.log(`| ${what} | ${measured} | ${target} |`);
}

/** Three digits are what such a measurement is good for. */
export function digits(value) {
  const size = Math.abs(value);
  return size < 10 ? value.toFixed(2) : size < 100 ? value.toFixed(1) : value.toFixed(0);
}

export const ms = (value) => `${digits(value)} ms`;
export const kb = (bytes) => `${digits(bytes / 1000)} KB`;

/** The smallest value that so many percent of all do not exceed. */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil((sorted.length * percent) / 100)) - 1] ?? NaN;
}

export const median = (values) => percentile(values, 50);
