import { ChorusError } from './error.js';
export type Waiting = import('./outbox.js').Waiting;
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
    storage: import('./outbox.js').StorageLike | null;
    clock: import('./clock.js').Clock;
    random: () => number;
    limits: () => import('./protocol.js').Limits;
    isLive: (room: string) => boolean;
    waiting: (waiting: Waiting) => void;
    sent: (receipt: Receipt) => void;
    refused: (refusal: Refusal) => void;
};
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
