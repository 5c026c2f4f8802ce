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
