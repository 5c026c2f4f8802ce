/**
 * How long to wait before the next attempt: exponential with full jitter, 0.5 s to 30 s.
 * Full jitter (anything from nothing to the bound) is what spreads ten thousand clients that
 * lost the same node at the same moment.
 */

export const FIRST_MS = 500;
export const LONGEST_MS = 30_000;

/**
 * @param {number} attempt 0 for the first one after a loss
 * @param {() => number} random in [0, 1)
 * @returns {number} milliseconds
 */
export function backoff(attempt, random) {
  const bound = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(random() * bound);
}
