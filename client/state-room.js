/**
 * The part of the page's state that belongs to one room, and its events. Pure, like state.js.
 */
import { mentions } from './text.js';

/**
 * @typedef {import('./sdk/protocol.js').Message} Message
 * @typedef {import('./sdk/room.js').History} History
 * @typedef {import('./sdk/room.js').Gap} Gap
 * @typedef {import('./sdk/room.js').People} People
 */
/**
 * @typedef {object} Note a line between messages that is not one
 * @property {string} key
 * @property {'traffic' | 'back' | 'announcement'} kind
 * @property {number} after the seq it stands behind
 * @property {number} at Unix milliseconds
 * @property {string[]} joined traffic: who came, by the last thing each did
 * @property {string[]} left
 * @property {number} count back: how many messages came
 * @property {string} text announcement
 */
/**
 * @typedef {object} WaitingRow an own message that is not in the log, as far as is known
 * @property {string} id
 * @property {string} message
 * @property {number} at Unix milliseconds
 * @property {'waiting' | 'sent' | 'refused'} state sent: committed, but its place in the log was not shown yet
 * @property {number} seq when sent
 * @property {string} reason when refused, for people
 */
/**
 * @typedef {object} RoomState
 * @property {string} name
 * @property {boolean} opened a first page arrived
 * @property {boolean} live what is shown is complete up to now
 * @property {Message[]} rows ascending, unbroken, at most `MOST_ROWS`
 * @property {'idle' | 'loading' | 'failed' | 'none'} older older messages: none are left to load
 * @property {Message[]} tail the newest messages when the rows do not reach them any more, because the
 *   reader is further up; ascending, unbroken, at most `TAIL_ROWS`. Empty: the rows reach the newest
 * @property {'idle' | 'loading' | 'failed'} newer what lies between the rows and the tail
 * @property {Gap | null} gap stands above the row `gap.before`
 * @property {{count: number, after: number} | null} back the latest resume
 * @property {Note[]} notes ascending by `after`
 * @property {number} notesMade how many there ever were, so that each has a key of its own
 * @property {WaitingRow[]} waiting
 * @property {string[]} users
 * @property {number} userCount
 * @property {{names: string[], until: number}} away who is not in a whole list any more, of whom nobody said that they left
 * @property {{[username: string]: number}} typing until when, Unix milliseconds
 * @property {boolean} atEnd the reader sees the newest
 * @property {number} unseen messages of others since the reader left the end
 * @property {number | null} read the newest seq that the reader has had before their eyes; null before the first page
 * @property {number | null} line the seq behind which the unread ones begin, as they stood when the reader came
 * @property {{seq: number, at: number} | null} target the message that a link points to, and when it was followed
 * @property {{reason: string, missing: boolean} | null} closed why the room can't be entered; missing: there is none of that name
 */
/**
 * @typedef {{type: 'room.opened', room: string, read: number | null}
 *   | {type: 'room.looked', room: string, entering: boolean}
 *   | {type: 'room.left', room: string}
 *   | {type: 'room.read', room: string, seq: number}
 *   | {type: 'room.pointed', room: string, seq: number, now: number}
 *   | {type: 'room.around', room: string, messages: Message[]}
 *   | {type: 'room.history', room: string, history: History, now: number}
 *   | {type: 'room.message', room: string, message: Message}
 *   | {type: 'room.people', room: string, people: People, now: number}
 *   | {type: 'room.typing', room: string, username: string, now: number}
 *   | {type: 'room.announcement', room: string, text: string, now: number}
 *   | {type: 'room.closed', room: string, reason: string, missing: boolean}
 *   | {type: 'room.reader', room: string, atEnd: boolean}
 *   | {type: 'older.asked', room: string}
 *   | {type: 'older.failed', room: string}
 *   | {type: 'older.loaded', room: string, before: number, messages: Message[], hasMore: boolean}
 *   | {type: 'newer.asked', room: string}
 *   | {type: 'newer.failed', room: string}
 *   | {type: 'newer.loaded', room: string, after: number, messages: Message[]}
 *   | {type: 'waiting.added', room: string, id: string, message: string, at: number}
 *   | {type: 'waiting.sent', room: string, id: string, seq: number}
 *   | {type: 'waiting.refused', room: string, id: string, message: string, reason: string, at: number}
 *   | {type: 'waiting.removed', room: string, id: string}} RoomEvent
 */

/** Rows in the page. Beyond it those furthest from the reader leave, and load again by scrolling. */
export const MOST_ROWS = 2_000;

/** At the end the oldest leave this many at a time: each time moves all that stay. */
const LEAVING = 100;

/** So many of the newest are at hand when the reader, far up, asks for them. */
const TAIL_ROWS = 200;

/** Lines about comings and goings are worth little once they are old. */
const MOST_NOTES = 200;

/** Within this everybody is back from a loss: the longest wait for a next attempt, and some more. */
const RETURN_MS = 60_000;

/** A sender tells at most every 3 s that he types. */
const TYPING_MS = 5_000;

/** @param {string} name @returns {RoomState} */
export function emptyRoom(name) {
  return {
    name,
    opened: false,
    live: false,
    rows: [],
    older: 'idle',
    tail: [],
    newer: 'idle',
    gap: null,
    back: null,
    notes: [],
    notesMade: 0,
    waiting: [],
    users: [],
    userCount: 0,
    away: { names: [], until: 0 },
    typing: {},
    atEnd: true,
    unseen: 0,
    read: null,
    line: null,
    target: null,
    closed: null,
  };
}

/**
 * @param {RoomState | undefined} known
 * @param {RoomEvent} event
 * @param {string} me
 * @param {boolean} watched the reader has this room before their eyes
 * @returns {RoomState}
 */
export function reduceRoom(known, event, me, watched) {
  const before = known ?? emptyRoom(event.room);
  const room = changed(before, event, me);
  // Who leaves from further up has not seen the end.
  return room === before && known ? known : noticed(before, room, me, watched && event.type !== 'room.left');
}

/** @param {RoomState} room @param {RoomEvent} event @param {string} me @returns {RoomState} */
function changed(room, event, me) {
  switch (event.type) {
    case 'room.opened':
      return { ...room, read: room.read ?? event.read };
    case 'room.looked':
      return looked(room, me, event.entering);
    case 'room.left':
      return atNewest({ ...room, atEnd: true, unseen: 0, line: null, target: null });
    case 'room.read':
      return room.opened ? { ...room, read: Math.max(room.read ?? 0, Math.min(event.seq, newest(room))) } : room;
    case 'room.pointed':
      return { ...room, target: { seq: event.seq, at: event.now } };
    case 'room.around':
      return around(room, event.messages);
    case 'room.history':
      return history(room, event.history, event.now, me);
    case 'room.message':
      return trimmed(appended(withoutTyping(room, event.message.username), [event.message], me));
    case 'room.people':
      return people(room, event.people, event.now, me);
    case 'room.typing':
      return { ...room, typing: { ...room.typing, [event.username]: event.now + TYPING_MS } };
    case 'room.announcement':
      return noted(room, { kind: 'announcement', at: event.now, text: event.text });
    case 'room.closed':
      return { ...room, live: false, closed: { reason: event.reason, missing: event.missing } };
    case 'room.reader':
      return event.atEnd ? atNewest({ ...room, atEnd: true, unseen: 0 }) : { ...room, atEnd: false };
    case 'older.asked':
      return { ...room, older: 'loading' };
    case 'older.failed':
      return { ...room, older: 'failed' };
    case 'older.loaded':
      // What was asked for before the rows were replaced does not belong to these.
      return room.rows[0]?.seq === event.before ? older(room, event.messages, event.hasMore) : room;
    case 'newer.asked':
      return meetsTail(room) ? joined(room) : { ...room, newer: 'loading' };
    case 'newer.failed':
      return { ...room, newer: 'failed' };
    case 'newer.loaded':
      return event.after === lastRow(room) ? newer(room, event.messages) : { ...room, newer: 'idle' };
    case 'waiting.added':
      // Who answers has read what stands above.
      return { ...withoutWaiting(room, event.id), line: null, waiting: [...withoutWaiting(room, event.id).waiting, waitingRow(event)] };
    case 'waiting.sent':
      return sent(room, event.id, event.seq);
    case 'waiting.refused':
      return refused(room, event);
    case 'waiting.removed':
      return withoutWaiting(room, event.id);
  }
}

/** The connection is gone: nothing here is known to be the latest any more. @param {RoomState} room @returns {RoomState} */
export function cutOff(room) {
  return room.live ? { ...room, live: false, typing: {} } : room;
}

/** @param {RoomState} room @param {History} page @param {number} now @param {string} me @returns {RoomState} */
function history(room, page, now, me) {
  /** @type {RoomState} */
  let next = { ...room, opened: true, live: page.last, closed: null };
  if (page.first) {
    const after = page.gap || page.reason === 'log_changed' ? 0 : newest(room);
    // What came and went before the loss stands; this person was not there for what came after.
    next = { ...next, back: page.resumed && !page.gap ? { count: 0, after } : null };
    if (!page.recovered && startsOver(room, page)) next = { ...next, rows: [], notes: [], older: 'idle', tail: [], newer: 'idle', gap: placed(page), unseen: 0 };
  }
  const others = page.messages.filter((message) => message.username !== me).length;
  next = appended(next, page.messages, me);
  if (next.back && others > 0) next = told(next, { ...next.back, count: next.back.count + others }, now);
  if (page.first && next.rows[0]?.seq === 1) next = { ...next, older: 'none' };
  return trimmed(next);
}

/** Where the page's gap stands: right above its first message. @param {History} page @returns {Gap | null} */
function placed(page) {
  return page.gap && { ...page.gap, before: page.messages[0]?.seq ?? page.seq + 1 };
}

/** Whether the page does not follow on what is shown. @param {RoomState} room @param {History} page */
function startsOver(room, page) {
  return page.gap !== null || room.rows.length === 0 || page.reason === 'log_changed';
}

/** One line tells of the latest resume; the one before it is not news any more. @param {RoomState} room @param {{count: number, after: number}} back @param {number} now @returns {RoomState} */
function told(room, back, now) {
  const notes = room.notes.filter((note) => note.kind !== 'back');
  const note = { ...blankNote, key: `back:${back.after}`, kind: /** @type {const} */ ('back'), after: back.after, at: now, count: back.count };
  const place = notes.findIndex((other) => other.after > back.after);
  return { ...room, back, notes: place < 0 ? [...notes, note] : notes.toSpliced(place, 0, note) };
}

/**
 * Adds what is newer than all that is known. An own message that waited is in the log now.
 * @param {RoomState} room @param {Message[]} messages @param {string} me @returns {RoomState}
 */
function appended(room, messages, me) {
  const last = newest(room);
  const fresh = messages.filter((message) => message.seq > last);
  if (fresh.length === 0) return room;
  const seq = fresh.at(-1)?.seq ?? last;
  const own = new Set(fresh.filter(({ username }) => username === me).map(({ id }) => id));
  const waiting = room.waiting.filter((row) => !own.has(row.id) && !(row.state === 'sent' && row.seq <= seq));
  const unseen = room.atEnd ? 0 : room.unseen + fresh.filter(({ username }) => username !== me).length;
  return { ...grown(room, fresh), waiting: waiting.length === room.waiting.length ? room.waiting : waiting, unseen };
}

/** Where the reader is further up and the page is full, what is new does not come into it. @param {RoomState} room @param {Message[]} fresh @returns {RoomState} */
function grown(room, fresh) {
  if (room.tail.length > 0) return { ...room, tail: [...room.tail, ...fresh].slice(-TAIL_ROWS) };
  const rows = [...room.rows, ...fresh];
  if (room.atEnd || rows.length <= MOST_ROWS) return { ...room, rows };
  return { ...room, tail: rows.slice(-TAIL_ROWS) };
}

/**
 * How many messages of others the reader has not had before their eyes. Of those that are not loaded
 * nobody knows whose they are: all of them count.
 * @param {RoomState} room @param {string} me
 */
export function unread({ rows, tail, read, gap }, me) {
  const known = tail.length > 0 ? tail : rows;
  const first = known[0]?.seq;
  if (read === null || first === undefined) return 0;
  const before = gap?.reason === 'log_changed' ? 0 : Math.max(0, first - 1 - read);
  let count = 0;
  for (let index = known.length - 1; index >= 0; index -= 1) {
    const row = known[index];
    if (!row || row.seq <= read) break;
    if (row.username !== me) count += 1;
  }
  return before + count;
}

/** Whether a message names somebody, which is found out once. @type {WeakMap<Message, boolean>} */
const naming = new WeakMap();

/** How many of the unread ones that are known name the reader. @param {RoomState} room @param {string} me */
export function unreadMentions({ rows, tail, read }, me) {
  if (read === null) return 0;
  const known = tail.length > 0 ? tail : rows;
  let count = 0;
  for (let index = known.length - 1; index >= 0; index -= 1) {
    const row = known[index];
    if (!row || row.seq <= read) break;
    if (row.username === me) continue;
    const names = naming.get(row) ?? mentions(row.message, me);
    naming.set(row, names);
    if (names) count += 1;
  }
  return count;
}

/**
 * The reader comes to the room, or back to the page: what is unread begins at a line. Who enters is
 * taken there, and not to the end.
 * @param {RoomState} room @param {string} me @param {boolean} entering @returns {RoomState}
 */
function looked(room, me, entering) {
  const count = unread(room, me);
  if (count === 0) return { ...room, line: null };
  return entering ? { ...room, line: room.read, atEnd: false, unseen: count } : { ...room, line: room.read };
}

/**
 * What the reader has had before their eyes by now, and where what is new begins. Who comes for the
 * first time has missed nothing, and of a log that began anew nothing newer than its end was read.
 * @param {RoomState} before @param {RoomState} room @param {string} me @param {boolean} watched @returns {RoomState}
 */
function noticed(before, room, me, watched) {
  if (!room.opened) return room;
  if (!before.opened && watched && room.read !== null) return looked(room, me, true);
  const last = newest(room);
  const sees = watched && room.atEnd;
  const read = sees ? last : Math.min(room.read ?? last, last);
  const left = unread({ ...room, read }, me);
  const begins = !sees && left > 0 && unread(before, me) === 0;
  const line = begins ? read : room.line;
  // What was seen on the way down waits below no more.
  const unseen = read > (before.read ?? read) ? Math.min(room.unseen, left) : room.unseen;
  return read === room.read && line === room.line && unseen === room.unseen ? room : { ...room, read, line, unseen };
}

/** @param {RoomState} room @param {Message[]} messages @param {boolean} hasMore @returns {RoomState} */
function older(room, messages, hasMore) {
  const first = room.rows[0]?.seq ?? Infinity;
  const fresh = messages.filter((message) => message.seq < first);
  const all = [...fresh, ...room.rows];
  // The reader has gone back to the newest meanwhile, and there it is full.
  if (room.atEnd && all.length > MOST_ROWS) return { ...room, older: 'idle' };
  const rows = all.slice(0, MOST_ROWS);
  const tail = room.tail.length === 0 && all.length > MOST_ROWS ? all.slice(-TAIL_ROWS) : room.tail;
  const done = !hasMore || rows[0]?.seq === 1;
  return { ...room, rows, tail, older: done ? 'none' : 'idle', gap: narrowed(room.gap, rows[0]?.seq ?? 0) };
}

/** @param {RoomState} room @param {Message[]} messages @returns {RoomState} */
function newer(room, messages) {
  const last = lastRow(room);
  const fresh = messages.filter((message) => message.seq > last);
  const next = lastOf(room, { rows: [...room.rows, ...fresh], newer: 'idle' });
  return meetsTail(next) ? joined(next) : next;
}

/**
 * A stretch of the log elsewhere is shown; the newest are kept beside it.
 * @param {RoomState} room @param {Message[]} messages @returns {RoomState}
 */
function around(room, messages) {
  if (messages.length === 0) return room;
  const tail = room.tail.length > 0 ? room.tail : room.rows.slice(-TAIL_ROWS);
  const gap = room.gap?.reason === 'log_changed' ? room.gap : null;
  const next = startingAt({ ...room, rows: messages, tail, newer: 'idle', gap, atEnd: false });
  return meetsTail(next) ? joined(next) : next;
}

/** Nothing is missing between the rows and the tail. @param {RoomState} room */
function meetsTail(room) {
  return (room.tail[0]?.seq ?? Infinity) <= lastRow(room) + 1;
}

/** The rows reach the newest again. @param {RoomState} room @returns {RoomState} */
function joined(room) {
  const last = lastRow(room);
  return lastOf(room, { rows: [...room.rows, ...room.tail.filter(({ seq }) => seq > last)], tail: [], newer: 'idle' });
}

/** What a reader sees who asked for the newest, from wherever he was. @param {RoomState} room @returns {RoomState} */
function atNewest(room) {
  if (room.tail.length === 0) return trimmed(room);
  return meetsTail(room) ? joined(room) : startingAt({ ...room, rows: room.tail, tail: [], newer: 'idle' });
}

/** With no more rows than may be, the oldest left out. @param {RoomState} room @param {Partial<RoomState> & {rows: Message[]}} change @returns {RoomState} */
function lastOf(room, change) {
  const next = { ...room, ...change };
  return next.rows.length <= MOST_ROWS ? next : startingAt({ ...next, rows: next.rows.slice(-MOST_ROWS) });
}

/** What stood above the first row left with what is above it. @param {RoomState} room @returns {RoomState} */
function startingAt(room) {
  const first = room.rows[0]?.seq ?? 0;
  return { ...room, older: first === 1 ? 'none' : 'idle', notes: room.notes.filter((note) => note.after >= first) };
}

/**
 * A gap shrinks as what it left out is read, and is gone when it meets what was seen before it.
 * That of a changed log stays: no reading brings back what is not in this log.
 * @param {Gap | null} gap @param {number} first @returns {Gap | null}
 */
function narrowed(gap, first) {
  if (!gap || gap.reason === 'log_changed') return gap;
  return first > gap.after + 1 ? { ...gap, before: Math.min(gap.before, first) } : null;
}

/** @param {RoomState} room @returns {RoomState} */
function trimmed(room) {
  if (!room.atEnd || room.rows.length <= MOST_ROWS) return room;
  return startingAt({ ...room, rows: room.rows.slice(LEAVING - MOST_ROWS) });
}

/** @param {RoomState} room @param {People} change @param {number} now @param {string} me @returns {RoomState} */
function people(room, change, now, me) {
  const here = new Set(change.users);
  const names = [...room.users, ...(now < room.away.until ? room.away.names : [])].filter((name) => !here.has(name) && !change.left.includes(name));
  const whole = change.joined.length + change.left.length === 0;
  const away = { names, until: whole ? now + RETURN_MS : room.away.until };
  const next = { ...room, users: change.users, userCount: change.userCount, away };
  // After a loss the others come back one by one, as this reader did; as far as anybody knows they never left.
  const returns = new Set(now < room.away.until ? room.away.names : []);
  const joined = change.joined.filter((name) => name !== me && !returns.has(name));
  const left = change.left.filter((name) => name !== me);
  if (joined.length + left.length === 0) return next;
  const typing = Object.fromEntries(Object.entries(next.typing).filter(([name]) => !left.includes(name)));
  return noted({ ...next, typing }, { kind: 'traffic', at: now, joined, left });
}

/** @type {Omit<Note, 'key' | 'kind' | 'after' | 'at'>} */
const blankNote = { joined: [], left: [], count: 0, text: '' };

/** @param {RoomState} room @param {Partial<Note> & Pick<Note, 'kind' | 'at'>} note @returns {RoomState} */
function noted(room, note) {
  const after = newest(room);
  const last = room.notes.at(-1);
  if (note.kind === 'traffic' && last?.kind === 'traffic' && last.after === after) {
    return { ...room, notes: [...room.notes.slice(0, -1), folded(last, note.joined ?? [], note.left ?? [])] };
  }
  const added = { ...blankNote, ...note, key: `note:${room.notesMade}`, after };
  return { ...room, notes: [...room.notes, added].slice(-MOST_NOTES), notesMade: room.notesMade + 1 };
}

/** Who came and left again has left; who left and is back has joined. @param {Note} note @param {string[]} joined @param {string[]} left @returns {Note} */
function folded(note, joined, left) {
  const moved = new Set([...joined, ...left]);
  return {
    ...note,
    joined: [...note.joined.filter((name) => !moved.has(name)), ...joined],
    left: [...note.left.filter((name) => !moved.has(name)), ...left],
  };
}

/** @param {RoomState} room @param {string} id @param {number} seq @returns {RoomState} */
function sent(room, id, seq) {
  // Its place in the log is shown already when the message itself was faster than its receipt.
  if (seq <= newest(room)) return withoutWaiting(room, id);
  return { ...room, waiting: room.waiting.map((row) => (row.id === id ? { ...row, state: 'sent', seq } : row)) };
}

/** @param {RoomState} room @param {Extract<RoomEvent, {type: 'waiting.refused'}>} event @returns {RoomState} */
function refused(room, event) {
  const known = room.waiting.find((row) => row.id === event.id);
  /** @type {WaitingRow} */
  const row = { ...(known ?? waitingRow(event)), state: 'refused', reason: event.reason };
  return { ...room, waiting: known ? room.waiting.map((other) => (other.id === row.id ? row : other)) : [...room.waiting, row] };
}

/** @param {{id: string, message: string, at: number}} event @returns {WaitingRow} */
function waitingRow({ id, message, at }) {
  return { id, message, at, state: 'waiting', seq: 0, reason: '' };
}

/** @param {RoomState} room @param {string} id @returns {RoomState} */
function withoutWaiting(room, id) {
  return room.waiting.some((row) => row.id === id) ? { ...room, waiting: room.waiting.filter((row) => row.id !== id) } : room;
}

/** @param {RoomState} room @param {string} username @returns {RoomState} */
function withoutTyping(room, username) {
  if (!Object.hasOwn(room.typing, username)) return room;
  const { [username]: _, ...typing } = room.typing;
  return { ...room, typing };
}

/** @param {{rows: Message[]}} room */
function lastRow(room) {
  return room.rows.at(-1)?.seq ?? 0;
}

/** The newest message known, in the page or not. @param {RoomState} room */
function newest(room) {
  return room.tail.at(-1)?.seq ?? lastRow(room);
}
