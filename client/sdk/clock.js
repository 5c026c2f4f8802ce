/**
 * Time as the sdk sees it, in one place so that tests can hand in their own.
 *
 * @typedef {object} Clock
 * @property {() => number} now milliseconds that never go back; for waits and windows
 * @property {() => number} wall Unix milliseconds by this machine's clock; may be wrong, may jump
 * @property {(run: () => void, ms: number) => unknown} setTimeout
 * @property {(timer: unknown) => void} clearTimeout
 */

/** Browsers turn a longer wait into none at all. */
const LONGEST_MS = 2 ** 31 - 1;

/** @type {Clock} */
export const systemClock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimeout: (run, ms) => globalThis.setTimeout(run, Math.min(Math.max(0, ms), LONGEST_MS)),
  clearTimeout: (timer) => globalThis.clearTimeout(/** @type {number} */ (timer)),
};
