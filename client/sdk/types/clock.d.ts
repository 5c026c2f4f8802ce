/**
 * Time as the sdk sees it, in one place so that tests can hand in their own.
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
