/**
 * Which rooms are offered to somebody who looks for one. Pure.
 */
import { isRoomName, roomNameFrom } from './route.js';
import { unreadIn } from './state.js';

/** @typedef {import('./state.js').State} State */
/**
 * @typedef {object} RoomOption
 * @property {string} key
 * @property {'room' | 'create'} kind
 * @property {string} room
 * @property {boolean} joined the reader is in it already
 * @property {number} unread
 * @property {number | null} userCount null: not known yet
 * @property {number | null} lastAt when something was said there last, Unix milliseconds
 */

/** More are not shown; more letters find them. */
const MOST = 50;

/**
 * Those whose name has what was typed in it: the reader's own first, then the liveliest. What could be
 * made stands at the end.
 * @param {State} state @param {string} query @returns {RoomOption[]}
 */
export function roomOptions(state, query) {
  const wanted = roomNameFrom(query);
  const listed = new Map((state.jump.rooms ?? []).map((info) => [info.room, info]));
  const names = new Set([...Object.keys(state.rooms), ...listed.keys()]);
  /** @type {RoomOption[]} */
  const options = [];
  for (const name of names) {
    if (!name.includes(wanted)) continue;
    const own = Object.hasOwn(state.rooms, name) ? state.rooms[name] : undefined;
    // A room that turned out not to exist is offered to be made.
    if (own?.closed && !listed.has(name)) continue;
    const info = listed.get(name);
    const lastAt = Date.parse(own?.rows.at(-1)?.timestamp ?? info?.lastTimestamp ?? '');
    options.push({
      key: name,
      kind: 'room',
      room: name,
      joined: own !== undefined && !own.closed,
      unread: own ? unreadIn(state, own) : 0,
      userCount: own?.live ? own.userCount : (info?.userCount ?? null),
      lastAt: Number.isNaN(lastAt) ? null : lastAt,
    });
  }
  options.sort((a, b) => rank(a, wanted) - rank(b, wanted) || (b.userCount ?? 0) - (a.userCount ?? 0) || (a.room < b.room ? -1 : 1));
  const found = options.slice(0, MOST);
  const exists = found.some(({ room }) => room === wanted);
  if (isRoomName(wanted) && !exists) {
    found.push({ key: `create:${wanted}`, kind: 'create', room: wanted, joined: false, unread: 0, userCount: null, lastAt: null });
  }
  return found;
}

/** @param {RoomOption} option @param {string} wanted */
function rank({ room, joined, unread }, wanted) {
  if (room === wanted) return 0;
  const place = joined ? (unread > 0 ? 1 : 2) : 3;
  return room.startsWith(wanted) ? place : place + 3;
}

/**
 * What can be said about a name that finds and makes nothing.
 * @param {string} query
 */
export function nothingFound(query) {
  const wanted = roomNameFrom(query);
  if (wanted === '') return 'No rooms yet.';
  return isRoomName(wanted) ? '' : 'A room’s name has up to 50 of a–z, 0–9, - and _, and begins with a letter or a digit.';
}
