/**
 * Which rooms are offered to somebody who looks for one. Pure.
 */
import { isRoomName } from './route.js';
import { unreadIn } from './state.js';

/** @typedef {import('./state.js').State} State */
/**
 * @typedef {object} RoomOption
 * @property {string} key
 * @property {string} room
 * @property {boolean} joined the reader is in it already
 * @property {number} unread
 * @property {number | null} userCount null: not known yet
 * @property {number | null} lastAt when something was said there last, Unix milliseconds
 */

/** More are not shown; more letters find them. */
const MOST = 50;

/** The name that somebody means who writes "#General Chat!". @param {string} text */
export function roomNameFrom(text) {
  const plain = text.trim().normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  return plain.replace(/[^a-z0-9_-]+/g, '-').replace(/^[-_]+|-+$/g, '');
}

/**
 * Those whose name has what was typed in it: the reader's own first, then the liveliest. Of the own ones
 * the room they come from stands before the others, and the one they are in behind them: so one goes to and fro.
 * @param {State} state @param {string} query @returns {RoomOption[]}
 */
export function roomOptions(state, query) {
  const wanted = roomNameFrom(query);
  const listed = new Map((state.jump.rooms ?? []).map((info) => [info.room, info]));
  const names = new Set([...Object.keys(state.rooms), ...listed.keys()]);
  /** @type {RoomOption[]} */
  const options = [];
  for (const name of names) {
    if (!name.includes(wanted) || (wanted === '' && query.trim() !== '')) continue;
    const own = Object.hasOwn(state.rooms, name) ? state.rooms[name] : undefined;
    // A room that turned out not to exist is offered to be made.
    if (own?.closed && !listed.has(name)) continue;
    const info = listed.get(name);
    const lastAt = Date.parse(own?.rows.at(-1)?.timestamp ?? info?.lastTimestamp ?? '');
    options.push({
      key: name,
      room: name,
      joined: own !== undefined && !own.closed,
      unread: own ? unreadIn(state, own) : 0,
      userCount: own?.live ? own.userCount : (info?.userCount ?? null),
      lastAt: Number.isNaN(lastAt) ? null : lastAt,
    });
  }
  options.sort((a, b) => rank(a, wanted, state) - rank(b, wanted, state) || (b.userCount ?? 0) - (a.userCount ?? 0) || (a.room < b.room ? -1 : 1));
  return options.slice(0, MOST);
}

/**
 * The room that could be made: the name that was typed, where there is none of that name.
 * @param {RoomOption[]} options @param {string} query @returns {string | null}
 */
export function newRoom(options, query) {
  const wanted = roomNameFrom(query);
  return isRoomName(wanted) && !options.some(({ room }) => room === wanted) ? wanted : null;
}

/** @param {RoomOption} option @param {string} wanted @param {State} state */
function rank({ room, joined, unread }, wanted, { previous, current }) {
  if (room === wanted) return 0;
  const own = unread > 0 ? 1 : room === previous ? 2 : room === current ? 4 : 3;
  const place = joined ? own : 5;
  return room.startsWith(wanted) ? place : place + 5;
}

/**
 * What can be said about a name that finds and makes nothing.
 * @param {string} query
 */
export function nothingFound(query) {
  const wanted = roomNameFrom(query);
  if (query.trim() === '') return 'No rooms yet.';
  return isRoomName(wanted) ? `There is no ${wanted} yet. Enter creates it.` : 'A room’s name has only a–z, 0–9, - and _, at most 50 of them, a letter or a digit first.';
}
