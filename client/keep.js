/**
 * What outlives a reload: who is signed in, the theme, rooms and drafts, and refused messages nobody has
 * looked at yet.
 * (Messages that still wait are the sdk's, in the same storage.) A browser may forbid storage or run
 * out of it; then the page works as before and forgets on reload.
 */
import { isRoomName } from './route.js';
import { isObject } from './sdk/protocol.js';

/** @typedef {import('./sdk/api.js').Session} Session */
/** @typedef {{id: string, room: string, message: string, reason: string, at: number}} Refused */

const SESSION = 'chorus.session';
const THEME = 'chorus.theme';
const REMEMBERED = 'chorus_remembered';
const NOTIFY = 'chorus.notify';
/** What was notified of, by room: the newest seq. */
export const TOLD = 'chorus.told';

const MOST_PEOPLE = 5;
const MOST_DRAFTS = 50;
const LONGEST_DRAFT = 10_000;

/** @returns {Storage | null} */
export function openStorage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

const storage = openStorage();

/** Without storage the session lives as long as the page. @type {string | null} */
let inMemory = null;

/** @returns {Session | null} */
export function keptSession() {
  const value = parse(storage ? storage.getItem(SESSION) : inMemory);
  if (!value) return null;
  const { token, username, expiresAt } = value;
  const whole = typeof token === 'string' && typeof username === 'string' && typeof expiresAt === 'string';
  return whole ? { token, username, expiresAt } : null;
}

/** @param {Session} session */
export function keepSession(session) {
  inMemory = JSON.stringify(session);
  write(SESSION, inMemory);
}

export function forgetSession() {
  inMemory = null;
  write(SESSION, null);
  document.cookie = `${REMEMBERED}=; Path=/; Max-Age=0; SameSite=Strict`;
}

/** Whether the server gave this browser a cookie that scripts can't see. It says so in one that they can. */
export function isRemembered() {
  return document.cookie.split('; ').some((pair) => pair.startsWith(`${REMEMBERED}=`));
}

/**
 * Another tab signed in, out, or got a new token.
 * @param {() => void} changed
 */
export function onSessionElsewhere(changed) {
  window.addEventListener('storage', (event) => {
    if (event.key === SESSION || event.key === null) changed();
  });
}

/** @returns {import('./state.js').Theme} */
export function keptTheme() {
  const theme = storage?.getItem(THEME);
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

/** @param {import('./state.js').Theme} theme */
export function keepTheme(theme) {
  write(THEME, theme === 'system' ? null : theme);
}

/** @returns {import('./state.js').Notify} */
export function keptNotify() {
  const notify = storage?.getItem(NOTIFY);
  return notify === 'mentions' || notify === 'all' ? notify : 'off';
}

/** @param {import('./state.js').Notify} notify */
export function keepNotify(notify) {
  write(NOTIFY, notify === 'off' ? null : notify);
}

/** Another tab chose. @param {() => void} changed */
export function onNotifyElsewhere(changed) {
  window.addEventListener('storage', (event) => {
    if (event.key === NOTIFY || event.key === null) changed();
  });
}

/** @param {string | null} room null: of all */
export function clearTold(room) {
  const told = room === null ? null : read(TOLD);
  if (room !== null && told) delete told[room];
  write(TOLD, told && Object.keys(told).length > 0 ? JSON.stringify(told) : null);
}

/** What somebody was writing, by room; the latest last. @param {string} username @returns {{[room: string]: string}} */
export function keptDrafts(username) {
  const drafts = Object.entries(read(draftsKey(username)) ?? {});
  return Object.fromEntries(drafts.flatMap(([room, text]) => (isRoomName(room) && typeof text === 'string' ? [[room, text]] : [])));
}

/** Of that room only: other windows keep theirs. @param {string} username @param {string} room @param {string} text */
export function keepDraft(username, room, text) {
  const { [room]: _, ...others } = keptDrafts(username);
  const drafts = Object.entries(text === '' ? others : { ...others, [room]: text.slice(0, LONGEST_DRAFT) });
  write(draftsKey(username), drafts.length > 0 ? JSON.stringify(Object.fromEntries(drafts.slice(-MOST_DRAFTS))) : null);
}

/** @param {string} username */
export function forgetDrafts(username) {
  write(draftsKey(username), null);
}

/** @typedef {{rooms: string[], current: string}} Places the rooms somebody is in, and the one that was shown last */

/** @param {string} username @returns {Places} */
export function keptPlaces(username) {
  const { rooms, current } = read(placesKey(username)) ?? {};
  const names = Array.isArray(rooms) ? rooms.filter((name) => typeof name === 'string' && isRoomName(name)) : [];
  return { rooms: names, current: typeof current === 'string' && isRoomName(current) ? current : '' };
}

/** @param {string} username @param {Places} places */
export function keepPlaces(username, places) {
  write(placesKey(username), JSON.stringify({ ...places, at: Date.now() }));
}

/** @param {string} username @returns {Map<string, number>} by room: the newest seq that was read */
export function keptRead(username) {
  const seqs = read(readKey(username)) ?? {};
  return new Map(Object.entries(seqs).flatMap(([room, seq]) => (typeof seq === 'number' ? [[room, seq]] : [])));
}

/** @param {string} username @param {Map<string, number>} read */
export function keepRead(username, read) {
  write(readKey(username), JSON.stringify(Object.fromEntries(read)));
}

/**
 * Who signs out finds their rooms again when they come back: their names, and how far they were read. At most
 * `MOST_PEOPLE` do, those who were here last; this one is.
 * @param {string} username
 */
export function forgetOthers(username) {
  const names = (storage ? Object.keys(storage) : []).filter((key) => key.startsWith(placesKey(''))).map((key) => key.slice(placesKey('').length));
  const cameAt = (/** @type {string} */ name) => Number(read(placesKey(name))?.['at']) || 0;
  const others = names.filter((name) => name !== username).sort((a, b) => cameAt(b) - cameAt(a));
  for (const name of others.slice(MOST_PEOPLE - 1)) for (const key of [placesKey(name), readKey(name), draftsKey(name)]) write(key, null);
}

/**
 * Another tab read on, wrote, or went into another room or out of one.
 * @param {() => string | undefined} username
 * @param {Record<'read' | 'places' | 'drafts', (username: string) => void>} changed
 */
export function onReadElsewhere(username, changed) {
  window.addEventListener('storage', ({ key }) => {
    const name = username();
    if (name === undefined) return;
    if (key === readKey(name)) changed.read(name);
    if (key === placesKey(name)) changed.places(name);
    if (key === draftsKey(name)) changed.drafts(name);
  });
}

/** @param {string} username */
function placesKey(username) {
  return `chorus:rooms:${username}`;
}

/** @param {string} username */
function draftsKey(username) {
  return `chorus:drafts:${username}`;
}

/** @param {string} username */
function readKey(username) {
  return `chorus:read:${username}`;
}

/** @param {string} username @param {Refused} refused */
export function keepRefused(username, refused) {
  write(refusedKey(username, refused.id), JSON.stringify(refused));
}

/** @param {string} username @param {string} id */
export function forgetRefused(username, id) {
  write(refusedKey(username, id), null);
}

/** @param {string} username @returns {Refused[]} in the order written */
export function keptRefused(username) {
  /** @type {Refused[]} */
  const found = [];
  for (const key of storage ? Object.keys(storage) : []) {
    if (!key.startsWith(refusedKey(username, ''))) continue;
    const { id, room, message, reason, at } = read(key) ?? {};
    if (typeof id !== 'string' || typeof room !== 'string' || typeof message !== 'string') continue;
    if (typeof reason === 'string' && typeof at === 'number') found.push({ id, room, message, reason, at });
  }
  return found.sort((a, b) => a.at - b.at);
}

/** @param {string} username @param {string} id */
function refusedKey(username, id) {
  return `chorus:refused:${username}:${id}`;
}

/** @param {string} key */
export function read(key) {
  return parse(storage?.getItem(key) ?? null);
}

/** @param {string} key @param {string | null} value null: nothing is kept */
export function write(key, value) {
  try {
    if (value === null) storage?.removeItem(key);
    else storage?.setItem(key, value);
  } catch {
    // Full or forbidden: only the next reload notices.
  }
}

/** @param {string | null} text */
function parse(text) {
  try {
    const value = JSON.parse(text ?? 'null');
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
