export type Waiting = {
    id: string;
    room: string;
    message: string;
    /**
     * Unix milliseconds by this machine's clock
     */
    at: number;
};
export type StorageLike = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;
export type Entry = {
    waiting: Waiting;
    sentAt: number | null;
    attempts: number;
    mayBeCommitted: boolean;
};
/**
 * @typedef {object} Waiting
 * @property {string} id
 * @property {string} room
 * @property {string} message
 * @property {number} at Unix milliseconds by this machine's clock
 */
/** @typedef {Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>} StorageLike */
/** @typedef {{waiting: Waiting, sentAt: number | null, attempts: number, mayBeCommitted: boolean}} Entry */
export declare const CAPACITY = 200;
export declare class Outbox {
    #private;
    /** @param {{storage: StorageLike | null, capacity?: number}} options */
    constructor({ storage, capacity }: {
        storage: StorageLike | null;
        capacity?: number;
    });
    get size(): number;
    /**
     * Takes up what an earlier run left behind for this person.
     * @param {string} prefix of the storage keys: server and person
     * @returns {Waiting[]} in the order written
     */
    open(prefix: string): Waiting[];
    /** Forgets what is in memory; what is stored stays for the next `open`. */
    close(): void;
    /** @param {Waiting} waiting */
    add(waiting: Waiting): void;
    /**
     * What may be sent now, in the order written: what holds one back (the window, a pause) holds back
     * all that come after it.
     * @param {number} now milliseconds of the monotonic clock
     * @param {{messages: number, windowSeconds: number}} limits
     * @param {(room: string) => boolean} isLive
     * @returns {{due: Waiting[], wakeAt: number | null}} wakeAt: when to ask again, if waiting helps
     */
    take(now: number, limits: {
        messages: number;
        windowSeconds: number;
    }, isLive: (room: string) => boolean): {
        due: Waiting[];
        wakeAt: number | null;
    };
    /** @param {string} id @returns {Waiting | null} */
    get(id: string): Waiting | null;
    /** Whether it was never sent, for certain. @param {string} id */
    isUnsent(id: string): boolean;
    /** @param {string} room @returns {string[]} */
    idsIn(room: string): string[];
    /** Committed, refused or discarded: it waits no more. @param {string} id @returns {Waiting | null} */
    remove(id: string): Waiting | null;
    /**
     * The server said "later". Everything waits: the window belongs to the person, and sending the
     * next one instead would change the order.
     * @param {string} id
     * @param {number} now
     * @param {(attempt: number) => number} delayMs by how often this message was put off
     */
    postpone(id: string, now: number, delayMs: (attempt: number) => number): void;
    /** The socket is gone: what was sent and not answered must be sent again. */
    lost(): void;
}
