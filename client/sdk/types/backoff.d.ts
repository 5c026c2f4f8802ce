/**
 * How long to wait before the next attempt: exponential with full jitter, 0.5 s to 30 s.
 * Full jitter (anything from nothing to the bound) is what spreads ten thousand clients that
 * lost the same node at the same moment.
 */
export declare const FIRST_MS = 500;
export declare const LONGEST_MS = 30000;
/**
 * @param {number} attempt 0 for the first one after a loss
 * @param {() => number} random in [0, 1)
 * @returns {number} milliseconds
 */
export declare function backoff(attempt: number, random: () => number): number;
