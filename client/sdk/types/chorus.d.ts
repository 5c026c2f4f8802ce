import { ChorusError } from './protocol.js';
export { ChorusError } from './protocol.js';
export type Session = import('./api.js').Session;
export type ServerInfo = import('./api.js').ServerInfo;
export type HistoryRange = import('./api.js').HistoryRange;
export type NameRange = import('./api.js').NameRange;
export type HistoryPage = import('./api.js').HistoryPage;
export type Limits = import('./protocol.js').Limits;
export type Message = import('./protocol.js').Message;
export type ServerFrame = import('./protocol.js').ServerFrame;
export type Receipt = import('./outbox.js').Receipt;
export type Refusal = import('./outbox.js').Refusal;
export type StorageLike = import('./outbox.js').StorageLike;
export type Waiting = import('./outbox.js').Waiting;
export type History = import('./room.js').History;
export type People = import('./room.js').People;
export type Status = import('./socket.js').Status;
export type ChorusEvents = {
    status: Status;
    /**
     * each new connection
     */
    welcome: {
        username: string;
        build: string;
        limits: Limits;
    };
    /**
     * a page of messages that were said before: the newest when a room is entered, the missed ones after a loss
     */
    history: History;
    /**
     * a live one, the own ones too
     */
    message: Message & {
        room: string;
    };
    /**
     * who is in a room: the whole list, and what changed
     */
    people: People;
    /**
     * at most every 3 s while somebody types
     */
    typing: {
        room: string;
        username: string;
    };
    /**
     * from the operator
     */
    announcement: {
        message: string;
    };
    /**
     * taken by `send()`, or left over from an earlier run
     */
    waiting: Waiting;
    /**
     * committed
     */
    sent: Receipt;
    /**
     * it will not be sent again
     */
    refused: Refusal;
    /**
     * messages wait because the server takes no more of them now; null: none does any more
     */
    paced: {
        nextInMs: number | null;
    };
    /**
     * how far the server's clock is ahead of this machine's, whenever it was measured
     */
    clock: {
        aheadMs: number;
    };
    /**
     * the room can't be joined, or not any more
     */
    closed: {
        room: string;
        error: ChorusError;
    };
    /**
     * what the server complained of and belongs to nothing above
     */
    error: ChorusError;
};
export type ChorusOptions = {
    /**
     * origin of the server: `https://chat.example.org`
     */
    url: string;
    /**
     * where the token is kept; in memory by default
     */
    getToken?: () => string | null | Promise<string | null>;
    /**
     * a new token was given; keep it where `getToken` finds it
     */
    onSession?: (session: Session) => void;
    /**
     * the page this runs in. When the server is its own, sign-ins can be remembered
     */
    page?: import('./renewal.js').Page;
    /**
     * keeps waiting messages across runs
     */
    storage?: StorageLike | null;
    /**
     * where there is no global one: Node before 22
     */
    WebSocket?: import('./socket.js').SocketClass;
    fetch?: typeof globalThis.fetch;
    /**
     * for tests
     */
    clock?: import('./clock.js').Clock;
    /**
     * in [0, 1); for tests
     */
    random?: () => number;
};
export declare class Chorus {
    #private;
    /** @param {ChorusOptions} options */
    constructor(options: ChorusOptions);
    /** Who is signed in here, as the server spells it; empty before that. */
    get username(): string;
    /** What the server allows. Its defaults until the first `welcome`. */
    get limits(): import("./protocol.js").Limits;
    /**
     * @template {keyof ChorusEvents} K
     * @param {K} type
     * @param {(event: ChorusEvents[K]) => void} listener
     * @returns {() => void} stops listening
     */
    on<K extends keyof ChorusEvents>(type: K, listener: (event: ChorusEvents[K]) => void): () => void;
    /** What the server is and allows; needs no sign-in. */
    server(): Promise<import("./api.js").ServerInfo>;
    /** Makes an account; it does not sign in. @param {string} username @param {string} password */
    register(username: string, password: string): Promise<void>;
    /**
     * Signs in and connects.
     * @param {string} username
     * @param {string} password
     * @param {{remember?: boolean}} [options] remember: the browser keeps a cookie, and the sign-in lasts until nobody came for
     *   14 days. Only on a page of the server itself; elsewhere the sign-in ends with its token, as without it
     * @returns {Promise<Session>}
     */
    signIn(username: string, password: string, { remember }?: {
        remember?: boolean;
    }): Promise<Session>;
    /**
     * Takes up the sign-in that this browser remembers, with a new token, and connects. For the start of a page that has
     * no token; a token that is refused later is replaced this way without being asked for.
     * @returns {Promise<Session | null>} null: nobody is remembered. Rejects with a `ChorusError` when that can't be found out
     */
    takeUp(): Promise<Session | null>;
    /**
     * Changes the password. Stays signed in, with a new token; all other sign-ins of the person end.
     * @param {string} current
     * @param {string} next
     * @returns {Promise<Session>} rejects with a `ChorusError`: `invalid_credentials` when `current` is wrong, `invalid_password` when `next` can't be one
     */
    changePassword(current: string, next: string): Promise<Session>;
    /** Ends the sign-in on the server and here. It is over here even when the server can't be told (that is thrown). */
    signOut(): Promise<void>;
    /** With a token from an earlier run. Messages that were still waiting then wait again. @param {string} username */
    connect(username: string): void;
    /** Leaves everything. What waits stays in the storage; its promises are rejected with `stopped`. */
    disconnect(): void;
    /** Enters a room, now or as soon as there is a connection, and again after each loss. @param {string} room */
    join(room: string): void;
    /** What still waits to be sent there waits on, until the room is joined again. @param {string} room */
    leave(room: string): void;
    /**
     * Takes a message. It is sent as soon as it may, again and again with the same id if need be.
     * @param {string} room joined if it is not yet
     * @param {string} message
     * @param {{id?: string}} [options]
     * @returns {Promise<Receipt>} rejects with a `ChorusError`; its `code` is the server's, or `queue_full`, or `stopped`
     */
    send(room: string, message: string, { id }?: {
        id?: string;
    }): Promise<Receipt>;
    /** Forgets a message that waits. It may have been committed already; then it will appear. @param {string} id */
    discard(id: string): void;
    /** Takes back a message that waits, if it is certain that it was never sent. @param {string} id @returns {boolean} whether it is taken back */
    withdraw(id: string): boolean;
    /** Says that somebody types; call it as often as you like. @param {string} room */
    typing(room: string): void;
    /** Reads one page of a room's log, ascending; without `before` and `after` the newest. @param {string} room @param {HistoryRange} [range] */
    history(room: string, range?: HistoryRange): Promise<import("./api.js").HistoryPage>;
    /** The server's rooms by name, a page at a time. @param {NameRange} [range] */
    rooms(range?: NameRange): Promise<import("./api.js").RoomsPage>;
    /** Makes a room; everyone who is signed in may enter it. Rejects with `room_taken` if it exists. @param {string} room */
    createRoom(room: string): Promise<void>;
    /** Who is in a room by name, a page at a time: `people` events carry only the first 500. @param {string} room @param {NameRange} [range] */
    people(room: string, range?: NameRange): Promise<import("./api.js").PeoplePage>;
    /** Try to reconnect now instead of when the wait is over. */
    reconnectNow(): void;
    /** The system found a network, or woke up: check at once whether the connection still lives. */
    online(): void;
    /** The system says that there is no network. */
    offline(): void;
}
