import { ChorusError } from './protocol.js';
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
/**
 * Messages that the server has not acknowledged yet. The promise: each goes out in the order it was
 * written, with one id however often it is sent, not faster than the server's window allows, and is
 * forgotten only when it is committed, refused or discarded. A reload does not lose it.
 *
 * Bounded at `capacity`: a message beyond it is refused at once (`queue_full`), so that typing for
 * hours while offline cannot fill the disk. Each message has a storage key of its own, because
 * several tabs share one storage and a common list would be overwritten by whoever writes last.
 */
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
     * @returns {{due: Waiting[], wakeAt: number | null, heldUntil: number | null}} wakeAt: when to ask again, if waiting helps;
     *   heldUntil: when the next may go that the window or a pause holds back
     */
    take(now: number, limits: {
        messages: number;
        windowSeconds: number;
    }, isLive: (room: string) => boolean): {
        due: Waiting[];
        wakeAt: number | null;
        heldUntil: number | null;
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
/**
 * Message ids: UUID version 7 (RFC 9562), made by the client so that a message keeps its id
 * through every resend. They sort in the order they were made, which is the order in which
 * a reloaded page sends what was still waiting.
 *
 * @param {() => number} wall Unix milliseconds
 * @returns {() => string}
 */
export declare function uuid7(wall: () => number): () => string;
/** What the protocol takes as an id. @param {string} id */
export declare function isMessageId(id: string): boolean;
export type Message = import('./protocol.js').Message;
export type Receipt = {
    id: string;
    room: string;
    seq: number;
    timestamp: string;
};
export type Refusal = {
    room: string;
    id: string;
    message: string;
    error: ChorusError;
};
export type Promised = {
    resolve: (receipt: Receipt) => void;
    reject: (error: ChorusError) => void;
};
export type SendingOptions = {
    socket: import('./socket.js').LiveSocket;
    storage: StorageLike | null;
    clock: import('./clock.js').Clock;
    random: () => number;
    limits: () => import('./protocol.js').Limits;
    isLive: (room: string) => boolean;
    waiting: (waiting: Waiting) => void;
    sent: (receipt: Receipt) => void;
    refused: (refusal: Refusal) => void;
    paced: (paced: {
        nextInMs: number | null;
    }) => void;
};
/**
 * From `send()` to its receipt: what waits goes out when it may, comes back with a receipt or a
 * refusal, and everybody who wants to know is told. When and what may go is the outbox's matter.
 */
export declare class Sending {
    #private;
    /** @param {SendingOptions} options */
    constructor(options: SendingOptions);
    /** @param {string} prefix of the storage keys @returns {Waiting[]} what an earlier run left behind */
    open(prefix: string): Waiting[];
    close(): void;
    /** The socket is gone. */
    lost(): void;
    /** @param {string} room @param {string} message @param {string} [id] @returns {Promise<Receipt>} */
    send(room: string, message: string, id?: string): Promise<Receipt>;
    /** @param {string} id */
    discard(id: string): void;
    /** @param {string} id @returns {boolean} whether it was still here and never sent */
    withdraw(id: string): boolean;
    /** @param {string} room */
    rejectAll(room: string, /** @type {ChorusError} */ error: ChorusError): void;
    /** Acknowledged, or seen in the log. @param {Receipt} receipt */
    committed({ id, room, seq, timestamp }: Receipt): void;
    /** @param {string | null} id @param {ChorusError} error @returns {boolean} whether it was about a message that waits here */
    refused(id: string | null, error: ChorusError): boolean;
    /** Sends what may be sent, and comes back when more may. */
    flush(): void;
}
