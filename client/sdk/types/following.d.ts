import { ChorusError } from './error.js';
export type Message = import('./protocol.js').Message;
export type JoinedFrame = import('./protocol.js').JoinedFrame;
export type MessageFrame = import('./protocol.js').MessageFrame;
export type PresenceFrame = import('./protocol.js').PresenceFrame;
export type UserListFrame = import('./protocol.js').UserListFrame;
export type FollowingOptions = {
    socket: import('./socket.js').LiveSocket;
    clock: import('./clock.js').Clock;
    random: () => number;
    read: (room: string, range: {
        after: number;
        limit: number;
    }) => Promise<import('./api.js').HistoryPage>;
    history: (history: import('./room.js').History) => void;
    message: (room: string, message: Message) => void;
    people: (people: import('./room.js').People) => void;
    closed: (room: string, error: ChorusError) => void;
};
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
