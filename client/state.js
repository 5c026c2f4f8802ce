/**
 * What the page knows, and the one way in which it changes: `reduce(state, event)`, pure. Views draw
 * a state, main.js turns what happens into events; nobody else remembers anything.
 *
 * The rows of a room are always one unbroken stretch of its log: newer ones follow on, older ones are
 * put before, and what was missed is not papered over but kept as `gap` until it has been read.
 */
import { attend, initialAttention } from './attention.js';
import { DEFAULT_LIMITS } from './sdk/protocol.js';
import { cutOff, reduceRoom } from './state-room.js';

/**
 * @typedef {import('./sdk/protocol.js').Message} Message
 * @typedef {import('./sdk/protocol.js').Limits} Limits
 * @typedef {import('./sdk/api.js').ServerInfo} ServerInfo
 * @typedef {import('./sdk/room.js').History} History
 * @typedef {import('./sdk/room.js').People} People
 * @typedef {import('./sdk/socket.js').Status} Status
 * @typedef {import('./state-room.js').RoomState} RoomState
 * @typedef {import('./state-room.js').RoomEvent} RoomEvent
 */
/** @typedef {'system' | 'light' | 'dark'} Theme */
/** @typedef {'username' | 'password' | 'form'} Field where an error is shown */
/**
 * @typedef {object} Entrance the sign-in screen
 * @property {'signin' | 'register'} mode
 * @property {boolean} busy
 * @property {{[field in Field]?: string}} errors
 * @property {string | null} notice why somebody is here who was signed in
 */
/**
 * @typedef {object} Link the connection, as the line by the composer tells it
 * @property {Status['state']} state
 * @property {number | null} retryAt Unix milliseconds
 * @property {string | null} reason
 * @property {{count: number, until: number} | null} back just resumed: how many messages came, and how long to say so
 */
/**
 * @typedef {object} State
 * @property {number} now Unix milliseconds of the last tick; what is shown of time is as old as this
 * @property {ServerInfo | null} server
 * @property {Entrance} entrance
 * @property {{username: string} | null} session
 * @property {Link} link
 * @property {Limits} limits
 * @property {string} current the room that is shown
 * @property {{[room: string]: RoomState}} rooms
 * @property {'none' | 'menu' | 'people'} drawer what lies over the room on a narrow screen
 * @property {boolean} leaving asked to sign out while messages wait: say so first
 * @property {Theme} theme
 * @property {string | null} build of the server that this page came with
 * @property {boolean} updated the server has another one by now
 * @property {import('./attention.js').Attention} attention
 */
/**
 * @typedef {{type: 'tick', now: number}
 *   | {type: 'server.known', server: ServerInfo}
 *   | {type: 'entrance.mode', mode: Entrance['mode']}
 *   | {type: 'entrance.busy'}
 *   | {type: 'entrance.failed', errors: Entrance['errors']}
 *   | {type: 'session.opened', username: string, now: number}
 *   | {type: 'session.closed', notice: string | null}
 *   | {type: 'welcomed', username: string, build: string, limits: Limits}
 *   | {type: 'link', status: Status, now: number}
 *   | {type: 'drawer', drawer: State['drawer']}
 *   | {type: 'leaving', leaving: boolean}
 *   | {type: 'theme', theme: Theme}
 *   | import('./attention.js').AttentionEvent
 *   | RoomEvent} Event
 */

/** How long "Back." stays in the line by the composer. */
const BACK_MS = 8_000;

/** @param {Theme} theme @param {number} now @returns {State} */
export function initialState(theme, now) {
  return {
    now,
    server: null,
    entrance: { mode: 'signin', busy: false, errors: {}, notice: null },
    session: null,
    link: { state: 'stopped', retryAt: null, reason: null, back: null },
    limits: { ...DEFAULT_LIMITS },
    current: 'lobby',
    rooms: {},
    drawer: 'none',
    leaving: false,
    theme,
    build: null,
    updated: false,
    attention: initialAttention('off', true),
  };
}

/** @param {State} state @param {Event} event @returns {State} */
export function reduce(state, event) {
  const next = step(state, event);
  const attention = attend(next.attention, event, next);
  return attention === next.attention ? next : { ...next, attention };
}

/** @param {State} state @param {Event} event @returns {State} */
function step(state, event) {
  switch (event.type) {
    case 'tick':
      return tick(state, event.now);
    case 'server.known':
      return { ...state, server: event.server, limits: event.server.limits };
    case 'entrance.mode':
      return { ...state, entrance: { mode: event.mode, busy: false, errors: {}, notice: null } };
    case 'entrance.busy':
      return { ...state, entrance: { ...state.entrance, busy: true, errors: {}, notice: null } };
    case 'entrance.failed':
      return { ...state, entrance: { ...state.entrance, busy: false, errors: event.errors } };
    case 'session.opened':
      return { ...entered(state), session: { username: event.username }, now: event.now };
    case 'session.closed':
      return { ...entered(state), entrance: { mode: 'signin', busy: false, errors: {}, notice: event.notice } };
    case 'welcomed':
      return { ...welcomedBy(state, event.build), limits: event.limits, session: { username: event.username } };
    case 'link':
      return link(state, event.status, event.now);
    case 'drawer':
      return state.drawer === event.drawer ? state : { ...state, drawer: event.drawer };
    case 'leaving':
      return { ...state, leaving: event.leaving };
    case 'theme':
      return { ...state, theme: event.theme };
    case 'page.visible':
    case 'notify':
      return state;
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

/** Nothing of one person's session is left for the next. @param {State} state @returns {State} */
function entered(state) {
  const { theme, server, limits, now, build, updated, attention } = state;
  return { ...initialState(theme, now), server, limits, build, updated, attention };
}

/** The first server that welcomes a page is taken for the one it was loaded from. @param {State} state @param {string} build @returns {State} */
function welcomedBy(state, build) {
  if (build === '') return state;
  return { ...state, build: state.build ?? build, updated: state.build !== null && state.build !== build };
}

/** @param {State} state @param {number} now @returns {State} */
function tick(state, now) {
  const { back } = state.link;
  const link = back && back.until <= now ? { ...state.link, back: null } : state.link;
  return { ...state, link, now };
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
  const room = reduceRoom(known, event, me);
  if (room === known) return state;
  const next = { ...state, rooms: { ...state.rooms, [event.room]: room } };
  const back = room.back;
  // A reconnect is worth a word only where somebody looks, and once it is complete.
  if (event.type !== 'room.history' || event.room !== state.current) return next;
  if (!event.history.last || !event.history.resumed || event.history.gap || !back) return next;
  return { ...next, link: { ...next.link, back: { count: back.count, until: event.now + BACK_MS } } };
}
