import { ChorusError } from './protocol.js';
export type Message = import('./protocol.js').Message;
export type JoinedFrame = import('./protocol.js').JoinedFrame;
export type MessageFrame = import('./protocol.js').MessageFrame;
export type PresenceFrame = import('./protocol.js').PresenceFrame;
export type UserListFrame = import('./protocol.js').UserListFrame;
export type JoinRequest = import('./protocol.js').JoinRequest;
export type UnrecoveredReason = import('./protocol.js').UnrecoveredReason;
export type Gap = {
    /**
     * the last seq seen before it
     */
    after: number;
    /**
     * the first seq seen after it; `after + 1` when nothing can be counted
     */
    before: number;
    reason: UnrecoveredReason;
};
export type History = {
    room: string;
    /**
     * ascending, none of them handed on before
     */
    messages: Message[];
    /**
     * how far the log was read with this page
     */
    seq: number;
    /**
     * this client had been in the room before, in this run
     */
    resumed: boolean;
    /**
     * nothing between the old position and these is missing
     */
    recovered: boolean;
    reason: UnrecoveredReason | null;
    gap: Gap | null;
    /**
     * first page of this join
     */
    first: boolean;
    /**
     * what follows is live
     */
    last: boolean;
};
export type People = {
    room: string;
    /**
     * at most the first 500 by name
     */
    users: string[];
    /**
     * all of them
     */
    userCount: number;
    /**
     * who came, when this is a change; empty when it is a whole list
     */
    joined: string[];
    left: string[];
};
/**
 * @typedef {import('./protocol.js').Message} Message
 * @typedef {import('./protocol.js').JoinedFrame} JoinedFrame
 * @typedef {import('./protocol.js').MessageFrame} MessageFrame
 * @typedef {import('./protocol.js').PresenceFrame} PresenceFrame
 * @typedef {import('./protocol.js').UserListFrame} UserListFrame
 * @typedef {import('./protocol.js').JoinRequest} JoinRequest
 * @typedef {import('./protocol.js').UnrecoveredReason} UnrecoveredReason
 */
/**
 * @typedef {object} Gap messages that this client did not get
 * @property {number} after the last seq seen before it
 * @property {number} before the first seq seen after it; `after + 1` when nothing can be counted
 * @property {UnrecoveredReason} reason
 */
/**
 * @typedef {object} History one page of messages, from a join
 * @property {string} room
 * @property {Message[]} messages ascending, none of them handed on before
 * @property {number} seq how far the log was read with this page
 * @property {boolean} resumed this client had been in the room before, in this run
 * @property {boolean} recovered nothing between the old position and these is missing
 * @property {UnrecoveredReason | null} reason
 * @property {Gap | null} gap
 * @property {boolean} first first page of this join
 * @property {boolean} last what follows is live
 */
/**
 * @typedef {object} People
 * @property {string} room
 * @property {string[]} users at most the first 500 by name
 * @property {number} userCount all of them
 * @property {string[]} joined who came, when this is a change; empty when it is a whole list
 * @property {string[]} left
 */
/**
 * One room as this client follows it: how far it has read, and who is there. A pure state machine:
 * frames go in, what the application should hear comes out; it sends nothing itself.
 *
 * The promise: every message after the position is handed on once, in order; whatever can not be
 * had is said (`gap`). Only messages and history move the position, an acknowledgement never does,
 * because between the acknowledged one and the position others may stand that were not seen yet.
 */
export declare class Room {
    #private;
    name: string;
    /** @param {string} name */
    constructor(name: string);
    /** Live messages arrive, and messages may be sent. */
    get live(): boolean;
    get seq(): number;
    /** The socket is gone; the position stays. */
    lost(): void;
    /** @returns {JoinRequest} */
    join(): JoinRequest;
    /**
     * An answer to `join()`, or the server's own word: a room whose log changed is joined anew without asking.
     * @param {JoinedFrame} frame
     * @returns {{history: History, people: People | null} | null} null when it is not joined
     */
    joined(frame: JoinedFrame): {
        history: History;
        people: People | null;
    } | null;
    /**
     * @param {Message} message a live one
     * @returns {'next' | 'duplicate' | 'hole'} hole: something before it is missing; it was not taken
     */
    message(message: Message): 'next' | 'duplicate' | 'hole';
    /**
     * Takes messages that were read to fill a hole, and the ones that came meanwhile. A number still
     * missing then is no message: numbers count events, and a later protocol has more kinds of them.
     * @param {Message[]} messages ascending
     * @returns {Message[]} those not handed on before
     */
    fill(messages: Message[]): Message[];
    /**
     * @param {PresenceFrame} frame
     * @returns {People | 'ask' | null} 'ask': a change was missed, the whole list must come; null: it is on its way
     */
    presence(frame: PresenceFrame): People | 'ask' | null;
    /** @param {UserListFrame} frame @returns {People} */
    userList(frame: UserListFrame): People;
}
export type FollowingOptions = {
    socket: import('./socket.js').LiveSocket;
    clock: import('./clock.js').Clock;
    random: () => number;
    read: (room: string, range: {
        after: number;
        limit: number;
    }) => Promise<import('./api.js').HistoryPage>;
    history: (history: History) => void;
    message: (room: string, message: Message) => void;
    people: (people: People) => void;
    closed: (room: string, error: ChorusError) => void;
};
/**
 * The rooms this client is in, on whatever socket there is: joins them again after a loss, hands on
 * what they bring, and fills the hole that should never be there.
 */
export declare class Following {
    #private;
    /** @param {FollowingOptions} options */
    constructor(options: FollowingOptions);
    /** @param {string} name */
    isLive(name: string): boolean;
    /** @param {string} name */
    join(name: string): void;
    /** @param {string} name */
    leave(name: string): void;
    clear(): void;
    /** A new socket: join again, each room from where it was. */
    welcomed(): void;
    lost(): void;
    /** The cheapest question that is always answered: who is here. */
    probe(): void;
    /** @param {JoinedFrame} frame */
    joined(frame: JoinedFrame): void;
    /** @param {UserListFrame} frame */
    userList(frame: UserListFrame): void;
    /** @param {PresenceFrame} frame */
    presence(frame: PresenceFrame): void;
    /** @param {MessageFrame} frame */
    message({ type: _, room: name, ...message }: MessageFrame): void;
    /** A join was refused, perhaps in the middle of its pages. @param {string} name @param {ChorusError} error */
    refused(name: string, error: ChorusError): void;
}
