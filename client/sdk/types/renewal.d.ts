import { ChorusError } from './protocol.js';
export type RenewalHandlers = {
    /**
     * Unix milliseconds
     */
    serverTime: () => Promise<number>;
    /**
     * the server's clock
     */
    measured: (aheadMs: number) => void;
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
/**
 * Keeps a sign-in from running out under somebody who stays: three quarters into a token's life it
 * fetches the next token and shows the socket a fresh ticket of it. Failures are tried again with
 * backoff; there is a quarter of the life left for that.
 *
 * Expiries are the server's time and this machine's clock may be wrong by hours, so the difference
 * is measured first.
 */
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
export type Session = import('./api.js').Session;
export type Page = {
    origin: string;
    /**
     * a browser's `navigator.locks`; missing on pages without TLS
     */
    locks?: LockManager;
};
export type Needs = {
    api: import('./api.js').Api;
    clock: import('./clock.js').Clock;
    getToken: () => string | null | Promise<string | null>;
};
/**
 * The sign-in that this browser remembers by a cookie: taken up when there is no token that does.
 *
 * The cookie changes at each use, and one that is long outdated counts as stolen and ends the sign-in.
 * So of all tabs one asks at a time, where the browser can see to that, else one call of each tab;
 * whoever waited takes the token that was fetched meanwhile.
 */
export declare class Remembered {
    #private;
    offered: boolean;
    /**
     * @param {boolean} offered whether the server is the page's own: else a browser keeps no cookie of it
     * @param {LockManager | undefined} locks
     * @param {Needs} needs
     */
    constructor(offered: boolean, locks: LockManager | undefined, needs: Needs);
    /** So long unused that it should be, before it expires. */
    get isDue(): boolean;
    /** A cookie was given just now. */
    given(): void;
    /**
     * Who is remembered, with a new token; or with one that another tab has got since `refused` was.
     * @param {string | null} refused the token that does not do
     * @param {(session: Session) => boolean} accept whether it is taken; keeps it where the tabs that wait will look for it
     * @returns {Promise<Session | null>} null: nobody. Rejects when that can't be found out now
     */
    take(refused: string | null, accept: (session: Session) => boolean): Promise<Session | null>;
}
