/**
 * What the page knows, and the one way in which it changes: `reduce(state, event)`, pure. Views draw
 * a state, chat.js turns what happens into events; nobody else remembers anything.
 *
 * The rows of a room are always one unbroken stretch of its log: newer ones follow on, older ones are
 * put before, and what was missed is not papered over but kept as `gap` until it has been read.
 */
import { DEFAULT_LIMITS } from './sdk/protocol.js';
import { cutOff, reduceRoom, unread, unreadMentions } from './state-room.js';

/**
 * @typedef {import('./sdk/protocol.js').Message} Message
 * @typedef {import('./sdk/protocol.js').Limits} Limits
 * @typedef {import('./sdk/api.js').ServerInfo} ServerInfo
 * @typedef {import('./sdk/api.js').RoomInfo} RoomInfo
 * @typedef {import('./sdk/room.js').History} History
 * @typedef {import('./sdk/room.js').People} People
 * @typedef {import('./sdk/socket.js').Status} Status
 * @typedef {import('./state-room.js').RoomState} RoomState
 * @typedef {import('./state-room.js').RoomEvent} RoomEvent
 */
/** @typedef {'off' | 'mentions' | 'all'} Notify what the reader wants to be notified of */
/** @typedef {'asking' | 'denied' | 'unable' | 'missing' | null} NotifyTrouble why that is off although it was asked for */
/** @typedef {'jump' | 'password'} Part what is loaded only when somebody asks for it */
/** @typedef {{part: Part, reload: boolean}} Missing a part that was asked for and could not be loaded; reload: nor when it was asked for again */
/** @typedef {'system' | 'light' | 'dark'} Theme */
/**
 * @typedef {object} Link the connection, as the line by the composer tells it
 * @property {Status['state']} state
 * @property {number | null} retryAt Unix milliseconds
 * @property {string | null} reason
 * @property {{count: number, until: number} | null} back just resumed: how many messages came, and how long to say so
 */
/** @typedef {{open: boolean, busy: boolean, errors: {current?: string, next?: string, form?: string}}} PasswordChange */
/**
 * @typedef {object} Jump where rooms are found and made
 * @property {boolean} open
 * @property {RoomInfo[] | null} rooms all rooms of the server, as far as they were read
 * @property {boolean} busy a room is being made
 * @property {string | null} error
 */
/**
 * @typedef {object} State
 * @property {number} now Unix milliseconds of the last tick; what is shown of time is as old as this
 * @property {ServerInfo | null} server
 * @property {{username: string} | null} session
 * @property {Link} link
 * @property {Limits} limits
 * @property {string} current the room that is shown
 * @property {string} previous the one that was shown before it
 * @property {boolean} looking the page is before somebody's eyes
 * @property {{[room: string]: RoomState}} rooms those that the reader is in
 * @property {Jump} jump
 * @property {PasswordChange} password
 * @property {{text: string, undo: string | null, until: number} | null} told a word about what was done; undo: the room to go back to
 * @property {'none' | 'menu' | 'people'} drawer what lies over the room on a narrow screen
 * @property {{[room: string]: string}} drafts what is being written, by room
 * @property {number} pacedUntil until when messages wait because the server takes no more
 * @property {boolean} leaving asked to sign out while something waits: say so first
 * @property {boolean} parting asked to leave the room while something waits there
 * @property {Theme} theme
 * @property {string | null} build of the server that this page came with
 * @property {boolean} updated the server has another one by now
 * @property {Missing | null} missing
 * @property {Notify} notify what the reader wants to be notified of
 * @property {NotifyTrouble} notifyTrouble why that is off although it was asked for
 */
/**
 * @typedef {{type: 'tick', now: number}
 *   | {type: 'server.known', server: ServerInfo}
 *   | {type: 'session.opened', username: string, now: number, drafts?: State['drafts']}
 *   | {type: 'session.closed'}
 *   | {type: 'welcomed', username: string, build: string, limits: Limits}
 *   | {type: 'link', status: Status, now: number}
 *   | {type: 'drawer', drawer: State['drawer']}
 *   | {type: 'missing', missing: Missing | null}
 *   | {type: 'leaving', leaving: boolean}
 *   | {type: 'parting', parting: boolean}
 *   | {type: 'paced', nextInMs: number | null, now: number}
 *   | {type: 'told', text: string, undo: string | null, now: number}
 *   | {type: 'draft', room: string, text: string}
 *   | {type: 'drafts', drafts: State['drafts']}
 *   | {type: 'theme', theme: Theme}
 *   | {type: 'notify', notify: Notify, trouble: NotifyTrouble}
 *   | {type: 'looking', looking: boolean}
 *   | {type: 'entered', room: string}
 *   | {type: 'left', room: string}
 *   | {type: 'jump', open: boolean}
 *   | {type: 'jump.rooms', rooms: RoomInfo[]}
 *   | {type: 'jump.busy'}
 *   | {type: 'jump.failed', error: string}
 *   | {type: 'password', open: boolean}
 *   | {type: 'password.busy'}
 *   | {type: 'password.failed', errors: PasswordChange['errors']}
 *   | {type: 'password.changed'}
 *   | RoomEvent} Event
 */

/** With these a room may be heard of for the first time. @type {Event['type'][]} */
const BEGINS = ['room.opened', 'room.history', 'waiting.added', 'waiting.refused'];

/** How long "Back." stays in the line by the composer. */
const BACK_MS = 8_000;

/** How long a word about what was done stands there, and one that can be undone. */
const TOLD_MS = 10_000;
const UNDO_MS = 20_000;

/** @param {Theme} theme @param {number} now @returns {State} */
export function initialState(theme, now) {
  return {
    now,
    server: null,
    session: null,
    link: { state: 'stopped', retryAt: null, reason: null, back: null },
    limits: { ...DEFAULT_LIMITS },
    current: 'lobby',
    previous: '',
    looking: true,
    rooms: {},
    jump: { open: false, rooms: null, busy: false, error: null },
    password: { open: false, busy: false, errors: {} },
    told: null,
    drawer: 'none',
    drafts: {},
    pacedUntil: 0,
    leaving: false,
    parting: false,
    theme,
    build: null,
    updated: false,
    missing: null,
    notify: 'off',
    notifyTrouble: null,
  };
}

/** @param {State} state @param {Event} event @returns {State} */
export function reduce(state, event) {
  switch (event.type) {
    case 'tick':
      return tick(state, event.now);
    case 'server.known':
      return { ...state, server: event.server, limits: event.server.limits };
    case 'session.opened':
      return { ...entered(state), session: { username: event.username }, now: event.now, drafts: event.drafts ?? {} };
    case 'session.closed':
      return entered(state);
    case 'welcomed':
      return { ...welcomedBy(state, event.build), limits: event.limits, session: { username: event.username } };
    case 'link':
      return link(state, event.status, event.now);
    case 'drawer':
      return state.drawer === event.drawer ? state : { ...state, drawer: event.drawer };
    case 'missing':
      return { ...state, drawer: event.missing ? 'none' : state.drawer, missing: event.missing };
    case 'leaving':
      return { ...state, leaving: event.leaving };
    case 'paced':
      return { ...state, now: event.now, pacedUntil: event.now + (event.nextInMs ?? 0) };
    case 'parting':
      return { ...state, parting: event.parting };
    case 'told':
      return { ...state, now: event.now, told: { text: event.text, undo: event.undo, until: event.now + (event.undo ? UNDO_MS : TOLD_MS) } };
    case 'draft':
      return (state.drafts[event.room] ?? '') === event.text ? state : { ...state, drafts: drafted(state.drafts, event.room, event.text) };
    case 'drafts':
      // What stands in the composer here is this window's.
      return { ...state, drafts: drafted(event.drafts, state.current, state.drafts[state.current] ?? '') };
    case 'theme':
      return { ...state, theme: event.theme };
    case 'notify':
      return { ...state, notify: event.notify, notifyTrouble: event.trouble };
    case 'looking':
      return event.looking === state.looking ? state : looked({ ...state, looking: event.looking }, false);
    case 'entered': {
      const next = { ...state, drawer: /** @type {const} */ ('none'), jump: { ...state.jump, open: false, busy: false, error: null }, told: null, parting: false };
      if (event.room === state.current) return next;
      const left = currentRoom(state) ? inRoom(next, { type: 'room.left', room: state.current }) : next;
      return looked({ ...left, current: event.room, previous: state.current }, true);
    }
    case 'password':
      return { ...state, drawer: 'none', password: { open: event.open, busy: false, errors: {} } };
    case 'password.busy':
      return { ...state, password: { ...state.password, busy: true, errors: {} } };
    case 'password.failed':
      return { ...state, password: { ...state.password, busy: false, errors: event.errors } };
    case 'password.changed':
      return { ...state, password: { open: false, busy: false, errors: {} } };
    case 'left': {
      const { [event.room]: _, ...rooms } = state.rooms;
      return { ...state, rooms };
    }
    case 'jump':
      return { ...state, drawer: 'none', jump: { ...state.jump, open: event.open, busy: false, error: null } };
    case 'jump.rooms':
      return { ...state, jump: { ...state.jump, rooms: event.rooms, error: null } };
    case 'jump.busy':
      return { ...state, jump: { ...state.jump, busy: true, error: null } };
    case 'jump.failed':
      return { ...state, jump: { ...state.jump, busy: false, error: event.error } };
    default:
      return inRoom(state, event);
  }
}

/** The room that is shown. @param {State} state @returns {RoomState | undefined} */
export function currentRoom(state) {
  return roomOf(state, state.current);
}

/** Own rooms only: `constructor` is a fine name for a room. @param {State} state @param {string} name */
function roomOf({ rooms }, name) {
  return Object.hasOwn(rooms, name) ? rooms[name] : undefined;
}

/** How many own messages are not known to be committed. @param {RoomState | undefined} room */
export function unsentIn(room) {
  return room?.waiting.filter(({ state }) => state !== 'sent').length ?? 0;
}

/** How many messages of others wait to be read in a room. @param {State} state @param {RoomState} room */
export function unreadIn(state, room) {
  return unread(room, state.session?.username ?? '');
}

/** And how many of those name the reader. @param {State} state @param {RoomState} room */
export function mentionsIn(state, room) {
  return unreadMentions(room, state.session?.username ?? '');
}

/** In all rooms. @param {import('./state.js').State} state */
export function unreadCount(state) {
  return Object.values(state.rooms).reduce((sum, room) => sum + unreadIn(state, room), 0);
}

/** @param {State['drafts']} drafts @param {string} room @param {string} text @returns {State['drafts']} */
function drafted(drafts, room, text) {
  const { [room]: _, ...others } = drafts;
  return text.trim() === '' ? others : { ...others, [room]: text };
}

/** Nothing of one person's session is left for the next. @param {State} state @returns {State} */
function entered(state) {
  const { theme, server, limits, now, looking, build, updated, notify, notifyTrouble } = state;
  return { ...initialState(theme, now), server, limits, looking, build, updated, notify, notifyTrouble };
}

/** The first server that welcomes a page is taken for the one it was loaded from. @param {State} state @param {string} build @returns {State} */
function welcomedBy(state, build) {
  if (build === '') return state;
  return { ...state, build: state.build ?? build, updated: state.build !== null && state.build !== build };
}

/** The reader has the room before their eyes, from now on. @param {State} state @param {boolean} entering @returns {State} */
function looked(state, entering) {
  return state.looking && currentRoom(state) ? inRoom(state, { type: 'room.looked', room: state.current, entering }) : state;
}

/** @param {State} state @param {number} now @returns {State} */
function tick(state, now) {
  const { back } = state.link;
  const link = back && back.until <= now ? { ...state.link, back: null } : state.link;
  return { ...state, link, now, told: state.told && state.told.until > now ? state.told : null };
}

/** @param {State} state @param {Status} status @param {number} now @returns {State} */
function link(state, { state: name, retryInMs, reason }, now) {
  const retryAt = retryInMs === null ? null : now + retryInMs;
  const rooms = name === 'connected' ? state.rooms : Object.fromEntries(Object.entries(state.rooms).map(([key, room]) => [key, cutOff(room)]));
  return { ...state, now, rooms, link: { state: name, retryAt, reason, back: null } };
}

/** @param {State} state @param {RoomEvent} event @returns {State} */
function inRoom(state, event) {
  const me = state.session?.username ?? '';
  const known = roomOf(state, event.room);
  // What was asked for before the room was left does not bring it back.
  if (!known && !BEGINS.includes(event.type)) return state;
  const room = reduceRoom(known, event, me, state.looking && state.current === event.room);
  if (room === known) return state;
  const next = { ...state, rooms: { ...state.rooms, [event.room]: room } };
  const back = room.back;
  // A reconnect is worth a word only where somebody looks, and once it is complete.
  if (event.type !== 'room.history' || event.room !== state.current) return next;
  if (!event.history.last || !event.history.resumed || event.history.gap || !back) return next;
  return { ...next, link: { ...next.link, back: { count: back.count, until: event.now + BACK_MS } } };
}
