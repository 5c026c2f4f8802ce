/**
 * Time as the sdk sees it, in one place so that tests can hand in their own, and how long it waits
 * before it tries again.
 *
 * @typedef {object} Clock
 * @property {() => number} now milliseconds that never go back; for waits and windows
 * @property {() => number} wall Unix milliseconds by this machine's clock; may be wrong, may jump
 * @property {(run: () => void, ms: number) => unknown} setTimeout
 * @property {(timer: unknown) => void} clearTimeout
 */

/** Browsers turn a longer wait into none at all. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** @type {Clock} */
export const systemClock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimeout: (run, ms) => globalThis.setTimeout(run, Math.min(Math.max(0, ms), LONGEST_TIMER_MS)),
  clearTimeout: (timer) => globalThis.clearTimeout(/** @type {number} */ (timer)),
};

export const FIRST_MS = 500;
export const LONGEST_MS = 30_000;

/**
 * How long to wait before the next attempt: exponential with full jitter, 0.5 s to 30 s.
 * Full jitter (anything from nothing to the bound) is what spreads ten thousand clients that
 * lost the same node at the same moment.
 *
 * @param {number} attempt 0 for the first one after a loss
 * @param {() => number} random in [0, 1)
 * @returns {number} milliseconds
 */
export function backoff(attempt, random) {
  const bound = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(random() * bound);
}
