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
export type Clock = {
    /**
     * milliseconds that never go back; for waits and windows
     */
    now: () => number;
    /**
     * Unix milliseconds by this machine's clock; may be wrong, may jump
     */
    wall: () => number;
    setTimeout: (run: () => void, ms: number) => unknown;
    clearTimeout: (timer: unknown) => void;
};
/** @type {Clock} */
export declare const systemClock: Clock;
export declare const FIRST_MS = 500;
export declare const LONGEST_MS = 30000;
/**
 * How long to wait before the next attempt: exponential with full jitter, 0.5 s to 30 s.
 * Full jitter (anything from nothing to the bound) is what spreads ten thousand clients that
 * lost the same node at the same moment.
 *
 * @param {number} attempt 0 for the first one after a loss
 * @param {() => number} random in [0, 1)
 * @returns {number} milliseconds
 */
export declare function backoff(attempt: number, random: () => number): number;
