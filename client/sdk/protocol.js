/**
 * The frames and errors of dialect `chorus.v1`, as types, and the one door through which text from the
 * network comes in. `parseFrame` believes nothing: a frame that lacks a field it needs, or whose
 * type is not known here, is no frame at all (the protocol only adds, so unknown is normal).
 */

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

export const SUBPROTOCOL = 'chorus.v1';

/** Close code of a sign-in that ended: the one after which nobody reconnects. */
export const SIGNED_OUT = 4001;

/** The server's defaults; they hold only until `welcome` or `GET /server` tells the real ones. @type {Readonly<Limits>} */
export const DEFAULT_LIMITS = Object.freeze({
  messageChars: 500,
  messages: 20,
  windowSeconds: 10,
  frameBytes: 16384,
  roomsPerSocket: 50,
  resume: 1000,
  usernameMin: 3,
  usernameMax: 50,
  passwordMin: 8,
  passwordMax: 128,
});

/** The "try again as it is" column of the protocol's error table. */
const TRY_AGAIN = new Set(['rate_limited', 'too_many_sockets', 'unavailable', 'draining', 'outcome_unknown', 'internal']);

/**
 * Whether the same frame may succeed later. Unknown codes are refusals: repeating what was
 * not understood only makes noise.
 * @param {string} code
 */
export function mayTryAgain(code) {
  return TRY_AGAIN.has(code);
}

/**
 * @param {string} text one WebSocket text frame
 * @returns {ServerFrame | null} null: not JSON, malformed, or of a type this client does not know
 */
export function parseFrame(text) {
  const fields = parseObject(text);
  const type = fields?.['type'];
  // Own readers only: an object has a `constructor` too, and that reads anything.
  if (!fields || typeof type !== 'string' || !Object.hasOwn(READERS, type)) return null;
  try {
    return READERS[type]?.(fields) ?? null;
  } catch (cause) {
    if (cause instanceof Malformed) return null;
    throw cause;
  }
}

/**
 * @param {unknown} value `limits` of `welcome` or `GET /server`; a missing entry keeps its default
 * @returns {Limits}
 */
export function parseLimits(value) {
  const limits = { ...DEFAULT_LIMITS };
  if (!isObject(value)) return limits;
  for (const name of /** @type {(keyof Limits)[]} */ (Object.keys(limits))) {
    const given = value[name];
    if (typeof given === 'number' && given > 0) limits[name] = given;
  }
  return limits;
}

/**
 * @param {unknown} value one entry of a history
 * @returns {Message}
 */
export function parseMessage(value) {
  if (!isObject(value)) throw new Malformed();
  return {
    seq: seq(value, 'seq'),
    id: string(value, 'id'),
    username: string(value, 'username'),
    message: string(value, 'message'),
    timestamp: string(value, 'timestamp'),
  };
}

/**
 * The text as the server will take it: without control characters (newline and tab stay),
 * trimmed. A lone surrogate is no Unicode text and could not be sent as UTF-8, so it becomes U+FFFD.
 * @param {string} text
 */
export function acceptedText(text) {
  return text
    .replace(/\p{Surrogate}/gu, '\uFFFD')
    .replace(/[^\P{Control}\n\t]/gu, '')
    .trim();
}

/**
 * Unicode scalar values, as the server counts; `'👍'.length` would say 2.
 * @param {string} text
 */
export function countChars(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

export class Malformed extends Error {}

/** @type {{[type: string]: (fields: Fields) => ServerFrame}} */
const READERS = {
  welcome: (f) => ({
    type: 'welcome',
    protocol: string(f, 'protocol'),
    username: string(f, 'username'),
    build: typeof f['build'] === 'string' ? f['build'] : '',
    limits: parseLimits(f['limits']),
    expiresAt: string(f, 'expiresAt'),
  }),
  joined: (f) => ({
    type: 'joined',
    room: string(f, 'room'),
    seq: seq(f, 'seq'),
    recovered: f['recovered'] === true,
    reason: f['recovered'] === true ? null : unrecovered(f['reason']),
    hasMore: f['hasMore'] === true,
    messages: list(f, 'messages').map(parseMessage),
    users: names(f, 'users'),
    userCount: seq(f, 'userCount'),
    version: seq(f, 'version'),
  }),
  message: (f) => ({ type: 'message', room: string(f, 'room'), ...parseMessage(f) }),
  ack: (f) => ({
    type: 'ack',
    id: string(f, 'id'),
    room: string(f, 'room'),
    seq: seq(f, 'seq'),
    timestamp: string(f, 'timestamp'),
    duplicate: f['duplicate'] === true,
  }),
  userList: (f) => ({
    type: 'userList',
    room: string(f, 'room'),
    users: names(f, 'users'),
    userCount: seq(f, 'userCount'),
    version: seq(f, 'version'),
  }),
  presence: (f) => ({
    type: 'presence',
    room: string(f, 'room'),
    joined: names(f, 'joined'),
    left: names(f, 'left'),
    userCount: seq(f, 'userCount'),
    version: seq(f, 'version'),
  }),
  typing: (f) => ({ type: 'typing', room: string(f, 'room'), username: string(f, 'username') }),
  announcement: (f) => ({ type: 'announcement', message: string(f, 'message') }),
  renewed: (f) => ({ type: 'renewed', expiresAt: string(f, 'expiresAt') }),
  reconnect: (f) => ({ type: 'reconnect', afterMs: seq(f, 'afterMs') }),
  error: (f) => ({
    type: 'error',
    code: string(f, 'code'),
    message: typeof f['message'] === 'string' ? f['message'] : '',
    id: typeof f['id'] === 'string' ? f['id'] : null,
    ref: typeof f['ref'] === 'string' ? f['ref'] : null,
    retryAfterMs: typeof f['retryAfterMs'] === 'number' ? f['retryAfterMs'] : null,
  }),
};

/** @param {unknown} value @returns {UnrecoveredReason} */
function unrecovered(value) {
  return value === 'log_changed' || value === 'position_expired' || value === 'too_far' ? value : 'fresh';
}

/** @param {string} text @returns {Fields | null} */
function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** @param {unknown} value @returns {value is Fields} */
export function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param {Fields} fields @param {string} key */
function string(fields, key) {
  const value = fields[key];
  if (typeof value !== 'string') throw new Malformed(key);
  return value;
}

/** A count or a place: a whole number from 0. @param {Fields} fields @param {string} key */
function seq(fields, key) {
  const value = fields[key];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new Malformed(key);
  return value;
}

/** @param {Fields} fields @param {string} key @returns {unknown[]} */
function list(fields, key) {
  const value = fields[key];
  if (!Array.isArray(value)) throw new Malformed(key);
  return value;
}

/** @param {Fields} fields @param {string} key */
function names(fields, key) {
  return list(fields, key).map((name) => {
    if (typeof name !== 'string') throw new Malformed(key);
    return name;
  });
}

/**
 * What went wrong, by a code of the protocol's closed table. A few codes are this side's own:
 * `network` (no answer at all), `timeout`, `bad_answer` (not what the protocol says),
 * `queue_full` (too many messages wait) and `stopped` (the client was disconnected).
 * `forbidden_origin` is found out here when a browser keeps the server's answers from this page.
 */
export class ChorusError extends Error {
  /**
   * @param {string} code
   * @param {string} message for people
   * @param {{status?: number, retryAfterMs?: number | null, cause?: unknown}} [more] status: 0 when no server answered
   */
  constructor(code, message, { status = 0, retryAfterMs = null, cause } = {}) {
    super(message, { cause });
    this.name = 'ChorusError';
    this.code = code;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** @param {unknown} cause @returns {ChorusError} */
  static from(cause) {
    if (cause instanceof ChorusError) return cause;
    return new ChorusError('network', 'The server could not be reached.', { cause });
  }
}
