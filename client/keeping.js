/**
 * What was read and written, and in which rooms somebody is: kept for the next time, and the same in all
 * windows of a browser.
 */
import { keepDraft, keepPlaces, keepRead, keptDrafts, keptPlaces, keptRead, onReadElsewhere } from './keep.js';
import { currentRoom } from './state.js';

/** It is kept this long after it changed. */
const KEEP_MS = 500;

/**
 * @param {() => import('./state.js').State} current
 * @param {(event: import('./state.js').Event) => void} dispatch
 * @param {(room: string) => void} follow
 * @param {string} home the room where one is instead of one that does not exist
 */
export function keeping(current, dispatch, follow, home) {
  let timer = 0;
  /** As they are kept. @type {import('./state.js').State['drafts']} */
  let drafts = {};
  const me = () => current().session?.username;

  function now() {
    timer = 0;
    read();
    const username = me();
    const written = current().drafts;
    const rooms = new Set([...Object.keys(drafts), ...Object.keys(written)]);
    if (username !== undefined) for (const room of rooms) if (drafts[room] !== written[room]) keepDraft(username, room, written[room] ?? '');
    drafts = written;
  }

  function read() {
    const username = me();
    if (username === undefined) return;
    const kept = keptRead(username);
    const further = Object.values(current().rooms).filter(({ name, read }) => read !== null && read > (kept.get(name) ?? -1));
    for (const { name, read } of further) kept.set(name, read ?? 0);
    if (further.length > 0) keepRead(username, kept);
  }

  /** Rooms that turned out not to exist are not looked for again. */
  function places() {
    const username = me();
    const state = current();
    if (username === undefined) return;
    const rooms = Object.values(state.rooms).filter(({ closed }) => !closed?.missing);
    keepPlaces(username, { rooms: rooms.map(({ name }) => name), current: currentRoom(state)?.closed?.missing ? home : state.current });
  }

  /** What of them is kept. @param {string} username */
  function draftsOf(username) {
    return (drafts = keptDrafts(username));
  }

  addEventListener('pagehide', now);
  onReadElsewhere(me, {
    read: (username) => {
      for (const [room, seq] of keptRead(username)) if (Object.hasOwn(current().rooms, room)) dispatch({ type: 'room.read', room, seq });
    },
    places: (username) => keptPlaces(username).rooms.forEach(follow),
    drafts: (username) => dispatch({ type: 'drafts', drafts: draftsOf(username) }),
  });
  return { now, read, places, draftsOf, soon: () => (timer ||= window.setTimeout(now, KEEP_MS)) };
}
