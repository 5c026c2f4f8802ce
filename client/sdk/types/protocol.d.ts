/**
 * The frames and errors of dialect `chorus.v1`, as types, and the one door through which text from the
 * network comes in. `parseFrame` believes nothing: a frame that lacks a field it needs, or whose
 * type is not known here, is no frame at all (the protocol only adds, so unknown is normal).
 */
export type Message = {
    /**
     * its place in the room, 1, 2, 3 …
     */
    seq: number;
    /**
     * the sender's own id for it
     */
    id: string;
    username: string;
    /**
     * the text as accepted; put it on a page as text only
     */
    message: string;
    /**
     * RFC 3339, the server's clock
     */
    timestamp: string;
};
export type Limits = {
    /**
     * Unicode scalar values per message
     */
    messageChars: number;
    /**
     * messages per `windowSeconds`
     */
    messages: number;
    windowSeconds: number;
    frameBytes: number;
    roomsPerSocket: number;
    /**
     * how many messages a resume may be behind
     */
    resume: number;
    usernameMin: number;
    usernameMax: number;
    passwordMin: number;
    passwordMax: number;
};
export type UnrecoveredReason = 'fresh' | 'log_changed' | 'position_expired' | 'too_far';
export type WelcomeFrame = {
    type: 'welcome';
    protocol: string;
    username: string;
    build: string;
    limits: Limits;
    expiresAt: string;
};
export type JoinedFrame = {
    type: 'joined';
    room: string;
    seq: number;
    recovered: boolean;
    reason: UnrecoveredReason | null;
    hasMore: boolean;
    messages: Message[];
    users: string[];
    userCount: number;
    version: number;
};
export type MessageFrame = Message & {
    type: 'message';
    room: string;
};
export type AckFrame = {
    type: 'ack';
    id: string;
    room: string;
    seq: number;
    timestamp: string;
    duplicate: boolean;
};
export type UserListFrame = {
    type: 'userList';
    room: string;
    users: string[];
    userCount: number;
    version: number;
};
export type PresenceFrame = {
    type: 'presence';
    room: string;
    joined: string[];
    left: string[];
    userCount: number;
    version: number;
};
export type TypingFrame = {
    type: 'typing';
    room: string;
    username: string;
};
export type AnnouncementFrame = {
    type: 'announcement';
    message: string;
};
export type RenewedFrame = {
    type: 'renewed';
    expiresAt: string;
};
export type ReconnectFrame = {
    type: 'reconnect';
    afterMs: number;
};
export type ErrorFrame = {
    type: 'error';
    code: string;
    message: string;
    id: string | null;
    ref: string | null;
    retryAfterMs: number | null;
};
export type ServerFrame = WelcomeFrame | JoinedFrame | MessageFrame | AckFrame | UserListFrame | PresenceFrame | TypingFrame | AnnouncementFrame | RenewedFrame | ReconnectFrame | ErrorFrame;
export type JoinRequest = {
    type: 'join';
    room: string;
    after?: number;
    afterId?: string;
    ref?: string;
};
export type RoomRequest = {
    type: 'leave' | 'users' | 'typing';
    room: string;
    ref?: string;
};
export type MessageRequest = {
    type: 'message';
    room: string;
    id: string;
    message: string;
    ref?: string;
};
export type RenewRequest = {
    type: 'renew';
    ticket: string;
    ref?: string;
};
export type ClientFrame = JoinRequest | RoomRequest | MessageRequest | RenewRequest;
export type Fields = {
    [key: string]: unknown;
};
/**
 * @typedef {object} Message one line of a room's log
 * @property {number} seq its place in the room, 1, 2, 3 …
 * @property {string} id the sender's own id for it
 * @property {string} username
 * @property {string} message the text as accepted; put it on a page as text only
 * @property {string} timestamp RFC 3339, the server's clock
 */
/**
 * @typedef {object} Limits
 * @property {number} messageChars Unicode scalar values per message
 * @property {number} messages messages per `windowSeconds`
 * @property {number} windowSeconds
 * @property {number} frameBytes
 * @property {number} roomsPerSocket
 * @property {number} resume how many messages a resume may be behind
 * @property {number} usernameMin
 * @property {number} usernameMax
 * @property {number} passwordMin
 * @property {number} passwordMax
 */
/** @typedef {'fresh' | 'log_changed' | 'position_expired' | 'too_far'} UnrecoveredReason */
/** @typedef {{type: 'welcome', protocol: string, username: string, build: string, limits: Limits, expiresAt: string}} WelcomeFrame */
/** @typedef {{type: 'joined', room: string, seq: number, recovered: boolean, reason: UnrecoveredReason | null, hasMore: boolean, messages: Message[], users: string[], userCount: number, version: number}} JoinedFrame */
/** @typedef {Message & {type: 'message', room: string}} MessageFrame */
/** @typedef {{type: 'ack', id: string, room: string, seq: number, timestamp: string, duplicate: boolean}} AckFrame */
/** @typedef {{type: 'userList', room: string, users: string[], userCount: number, version: number}} UserListFrame */
/** @typedef {{type: 'presence', room: string, joined: string[], left: string[], userCount: number, version: number}} PresenceFrame */
/** @typedef {{type: 'typing', room: string, username: string}} TypingFrame */
/** @typedef {{type: 'announcement', message: string}} AnnouncementFrame */
/** @typedef {{type: 'renewed', expiresAt: string}} RenewedFrame */
/** @typedef {{type: 'reconnect', afterMs: number}} ReconnectFrame */
/** @typedef {{type: 'error', code: string, message: string, id: string | null, ref: string | null, retryAfterMs: number | null}} ErrorFrame */
/** @typedef {WelcomeFrame | JoinedFrame | MessageFrame | AckFrame | UserListFrame | PresenceFrame | TypingFrame | AnnouncementFrame | RenewedFrame | ReconnectFrame | ErrorFrame} ServerFrame */
/** @typedef {{type: 'join', room: string, after?: number, afterId?: string, ref?: string}} JoinRequest */
/** @typedef {{type: 'leave' | 'users' | 'typing', room: string, ref?: string}} RoomRequest */
/** @typedef {{type: 'message', room: string, id: string, message: string, ref?: string}} MessageRequest */
/** @typedef {{type: 'renew', ticket: string, ref?: string}} RenewRequest */
/** @typedef {JoinRequest | RoomRequest | MessageRequest | RenewRequest} ClientFrame */
/** @typedef {{[key: string]: unknown}} Fields */
export declare const SUBPROTOCOL = "chorus.v1";
/** Close code of a sign-in that ended: the one after which nobody reconnects. */
export declare const SIGNED_OUT = 4001;
/** The server's defaults; they hold only until `welcome` or `GET /server` tells the real ones. @type {Readonly<Limits>} */
export declare const DEFAULT_LIMITS: Readonly<Limits>;
/**
 * Whether the same frame may succeed later. Unknown codes are refusals: repeating what was
 * not understood only makes noise.
 * @param {string} code
 */
export declare function mayTryAgain(code: string): boolean;
/**
 * @param {string} text one WebSocket text frame
 * @returns {ServerFrame | null} null: not JSON, malformed, or of a type this client does not know
 */
export declare function parseFrame(text: string): ServerFrame | null;
/**
 * @param {unknown} value `limits` of `welcome` or `GET /server`; a missing entry keeps its default
 * @returns {Limits}
 */
export declare function parseLimits(value: unknown): Limits;
/**
 * @param {unknown} value one entry of a history
 * @returns {Message}
 */
export declare function parseMessage(value: unknown): Message;
/**
 * The text as the server will take it: without control characters (newline and tab stay),
 * trimmed. A lone surrogate is no Unicode text and could not be sent as UTF-8, so it becomes U+FFFD.
 * @param {string} text
 */
export declare function acceptedText(text: string): string;
/**
 * Unicode scalar values, as the server counts; `'👍'.length` would say 2.
 * @param {string} text
 */
export declare function countChars(text: string): number;
export declare class Malformed extends Error {
}
/** @param {unknown} value @returns {value is Fields} */
export declare function isObject(value: unknown): value is Fields;
/**
 * What went wrong, by a code of the protocol's closed table. A few codes are this side's own:
 * `network` (no answer at all), `timeout`, `bad_answer` (not what the protocol says),
 * `queue_full` (too many messages wait) and `stopped` (the client was disconnected).
 * `forbidden_origin` is found out here when a browser keeps the server's answers from this page.
 */
export declare class ChorusError extends Error {
    code: string;
    status: number;
    retryAfterMs: number | null;
    /**
     * @param {string} code
     * @param {string} message for people
     * @param {{status?: number, retryAfterMs?: number | null, cause?: unknown}} [more] status: 0 when no server answered
     */
    constructor(code: string, message: string, { status, retryAfterMs, cause }?: {
        status?: number;
        retryAfterMs?: number | null;
        cause?: unknown;
    });
    /** @param {unknown} cause @returns {ChorusError} */
    static from(cause: unknown): ChorusError;
}
