import { ChorusError } from './error.js';
export type RenewalHandlers = {
    /**
     * Unix milliseconds
     */
    serverTime: () => Promise<number>;
    /**
     * fetches and keeps the next token; answers its expiry
     */
    renewToken: () => Promise<string>;
    /**
     * shows the socket a ticket; nothing to do when it is down
     */
    renewSocket: () => Promise<void>;
    /**
     * the sign-in is no more
     */
    ended: (code: string) => void;
};
export declare class Renewal {
    #private;
    /** @param {import('./clock.js').Clock} clock @param {() => number} random @param {RenewalHandlers} handlers */
    constructor(clock: import('./clock.js').Clock, random: () => number, handlers: RenewalHandlers);
    /** @param {string} expiresAt RFC 3339, of the socket or the token, whichever ends first */
    schedule(expiresAt: string): Promise<void>;
    /** The next token or the socket's prolongation was refused. @param {ChorusError} error */
    failed(error: ChorusError): void;
    stop(): void;
}
