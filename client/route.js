/**
 * Where in the chat one is, as the page's address says it: `#lobby` is a room, `#lobby/58` a message in
 * it. And where its server is.
 */

/** @typedef {{room: string, seq: number | null}} Place */

const ROOM_NAME = /^[a-z0-9][a-z0-9_-]{0,49}$/;

/** Whether the server would take this as a room's name. @param {string} name */
export function isRoomName(name) {
  return ROOM_NAME.test(name);
}

/** @param {string} hash of the page's address, with its `#` @returns {Place | null} */
export function placeOf(hash) {
  const [room = '', number, ...more] = hash.replace(/^#\/?/, '').split('/');
  if (!isRoomName(room) || more.length > 0) return null;
  if (number === undefined) return { room, seq: null };
  return /^[1-9]\d{0,14}$/.test(number) ? { room, seq: Number(number) } : null;
}

/** @param {Place} place */
export function hashOf({ room, seq }) {
  return seq === null ? `#${room}` : `#${room}/${seq}`;
}

/** The origin of the server: named by the page, else the page's own, else (served by a plain file server in development) the usual one. */
export function serverUrl() {
  const named = document.querySelector('meta[name="chorus-server"]')?.getAttribute('content')?.trim();
  if (named) return named;
  const { hostname, port, origin } = location;
  return port === '5500' && (hostname === 'localhost' || hostname === '127.0.0.1') ? 'http://localhost:8080' : origin;
}
