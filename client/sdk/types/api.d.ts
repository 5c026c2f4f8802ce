export type Message = import('./protocol.js').Message;
export type Limits = import('./protocol.js').Limits;
export type Fields = import('./protocol.js').Fields;
export type Session = {
    token: string;
    username: string;
    expiresAt: string;
};
export type ServerInfo = {
    name: string;
    version: string;
    registration: 'open' | 'closed';
    demoAccounts: boolean;
    limits: Limits;
};
export type HistoryPage = {
    room: string;
    messages: Message[];
    lastSeq: number;
    hasMore: boolean;
};
export type HistoryRange = {
    before?: number;
    after?: number;
    limit?: number;
};
export type RoomInfo = {
    room: string;
    userCount: number;
    lastSeq: number;
    lastTimestamp: string | null;
};
export type RoomsPage = {
    rooms: RoomInfo[];
    next: string | null;
};
export type PeoplePage = {
    users: string[];
    userCount: number;
    next: string | null;
};
export type NameRange = {
    after?: string;
    limit?: number;
};
export declare class Api {
    #private;
    /**
     * @param {object} options
     * @param {string} options.url origin of the server, without a slash at its end
     * @param {typeof globalThis.fetch} options.fetch
     * @param {import('./clock.js').Clock} options.clock
     */
    constructor({ url, fetch, clock }: {
        url: string;
        fetch: typeof globalThis.fetch;
        clock: import('./clock.js').Clock;
    });
    /** @returns {Promise<ServerInfo>} */
    server(): Promise<ServerInfo>;
    /** The server's clock, Unix milliseconds, read from the one public answer that carries it. */
    serverTime(): Promise<number>;
    /** @param {string} username @param {string} password */
    register(username: string, password: string): Promise<void>;
    /** @param {string} username @param {string} password @param {boolean} remember by a cookie @returns {Promise<Session>} */
    login(username: string, password: string, remember: boolean): Promise<Session>;
    /** @param {string} token */
    logout(token: string): Promise<void>;
    /** A new token of the same sign-in. @param {string} token @returns {Promise<Session>} */
    refresh(token: string): Promise<Session>;
    /** The same, by the cookie of a browser that was to remember. @returns {Promise<Session>} */
    refreshByCookie(): Promise<Session>;
    /** Whose a token is. @param {string} token @returns {Promise<Session>} */
    me(token: string): Promise<Session>;
    /** A new password, and a new token of this sign-in; all others of the account end. @param {string} token @param {string} current @param {string} next @returns {Promise<Session>} */
    password(token: string, current: string, next: string): Promise<Session>;
    /** A credential for one WebSocket, good for seconds. @param {string} token */
    ticket(token: string): Promise<string>;
    /**
     * @param {string} token
     * @param {string} room
     * @param {HistoryRange} range
     * @returns {Promise<HistoryPage>}
     */
    messages(token: string, room: string, range: HistoryRange): Promise<HistoryPage>;
    /** @param {string} token @param {NameRange} range @returns {Promise<RoomsPage>} */
    rooms(token: string, range: NameRange): Promise<RoomsPage>;
    /** @param {string} token @param {string} room */
    createRoom(token: string, room: string): Promise<void>;
    /** @param {string} token @param {string} room @param {NameRange} range @returns {Promise<PeoplePage>} */
    people(token: string, room: string, range: NameRange): Promise<PeoplePage>;
}
