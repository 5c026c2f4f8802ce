/**
 * The thread: a room's state as the list of things that are drawn, from the oldest to the newest.
 * Pure. Each thing has a key that stays the same as long as it is the same thing; a message that is
 * shown as it was before is the very same item, so that thousands of them are compared at a glance.
 */

/**
 * @typedef {import('./state-room.js').RoomState} RoomState
 * @typedef {import('./state-room.js').Note} Note
 * @typedef {import('./state-room.js').WaitingRow} WaitingRow
 * @typedef {import('./sdk/protocol.js').Message} Message
 * @typedef {import('./sdk/room.js').Gap} Gap
 */
/**
 * @typedef {{key: string, kind: 'top', older: RoomState['older'], empty: boolean, alone: boolean, missing: boolean}
 *   | {key: string, kind: 'bottom', newer: RoomState['newer']}
 *   | {key: string, kind: 'day', at: number}
 *   | {key: string, kind: 'gap', gap: Gap}
 *   | {key: string, kind: 'message', message: Message, at: number, head: boolean, own: boolean, pointed: boolean}
 *   | {key: string, kind: 'waiting', row: WaitingRow, username: string, head: boolean, last: boolean}
 *   | {key: string, kind: 'new'}
 *   | {key: string, kind: 'note', note: Note}} Item
 */

/** @typedef {Extract<Item, {kind: 'message'}>} MessageItem */

/** A message's item as it was last made, and its day. @type {WeakMap<Message, {item: MessageItem, day: string}>} */
const made = new WeakMap();

/** One person's messages closer than this are one group under one name. */
const GROUP_MS = 5 * 60_000;

/**
 * @param {RoomState} room
 * @param {string} me
 * @returns {Item[]}
 */
export function thread(room, me) {
  const empty = room.opened && room.rows.length === 0 && room.waiting.length === 0;
  /** @type {Item[]} */
  const items = [{ key: 'top', kind: 'top', older: room.older, empty, alone: room.userCount === 1, missing: room.closed?.missing === true }];
  const notes = notesAfter(room.notes);
  const first = room.rows[0]?.seq ?? 0;
  /** Whom the next message may follow without naming its sender again. @type {{username: string, at: number} | null} */
  let group = null;
  let day = '';
  let last = 0;

  const push = (/** @type {Item} */ item) => {
    items.push(item);
    group = null;
  };
  for (const note of room.notes) if (note.after < first || first === 0) push({ key: note.key, kind: 'note', note });
  for (const message of room.rows) {
    const before = made.get(message);
    const at = before?.item.at ?? (Date.parse(message.timestamp) || 0);
    const itsDay = before?.day ?? dayOf(at);
    if (room.gap?.before === message.seq) push({ key: 'gap', kind: 'gap', gap: room.gap });
    // Behind the last one that was read, and above the day that may begin there.
    if (room.line !== null && last <= room.line && message.seq > room.line) push({ key: 'new', kind: 'new' });
    last = message.seq;
    if (itsDay !== day) push({ key: `day:${itsDay}:${message.seq}`, kind: 'day', at });
    day = itsDay;
    const head = !follows(group, message.username, at);
    group = { username: message.username, at };
    const own = message.username === me;
    const pointed = message.seq === room.target?.seq;
    if (before?.item.head === head && before.item.own === own && before.item.pointed === pointed) {
      items.push(before.item);
    } else {
      /** @type {MessageItem} */
      const item = { key: `seq:${message.seq}`, kind: 'message', message, at, head, own, pointed };
      made.set(message, { item, day: itsDay });
      items.push(item);
    }
    for (const note of notes.get(message.seq) ?? []) push({ key: note.key, kind: 'note', note });
  }
  if (room.gap && room.rows.length === 0) push({ key: 'gap', kind: 'gap', gap: room.gap });
  // What waits comes after the newest, which is not here.
  if (room.tail.length > 0) return [...items, { key: 'bottom', kind: 'bottom', newer: room.newer }];
  for (const [index, row] of room.waiting.entries()) {
    // Of several that wait in a row, the last one says so for all.
    const last = room.waiting[index + 1]?.state !== row.state;
    const head = !follows(group, me, row.at);
    group = { username: me, at: row.at };
    items.push({ key: `id:${row.id}`, kind: 'waiting', row, username: me, head, last });
  }
  return items;
}

/** Messages in a chunk. */
const CHUNK = 50;

/**
 * The same in pieces that stay the same, as what is drawn anew when a row comes or goes is one of them
 * and not all. What is said of a message stands with it, what waits stands apart.
 * @param {Item[]} items
 * @returns {{key: string, items: Item[]}[]}
 */
export function chunks(items) {
  /** @type {{key: string, items: Item[]}[]} */
  const all = [];
  /** Lines above a message that is still to come. @type {Item[]} */
  let above = [];
  const into = (/** @type {string} */ key, /** @type {Item[]} */ added) => {
    const last = all.at(-1);
    if (last?.key === key) last.items.push(...added);
    else all.push({ key, items: added });
  };
  for (const item of items) {
    if (item.kind === 'message') {
      into(`from:${Math.floor(item.message.seq / CHUNK)}`, [...above, item]);
      above = [];
    } else if (item.kind === 'day' || item.kind === 'gap' || item.kind === 'new') {
      above.push(item);
    } else {
      into(item.kind === 'waiting' || item.kind === 'bottom' ? 'end' : (all.at(-1)?.key ?? 'top'), [item]);
    }
  }
  if (above.length > 0) into('end', above);
  return all;
}

/** @param {{username: string, at: number} | null} group @param {string} username @param {number} at */
function follows(group, username, at) {
  // Either order: a waiting message carries this machine's clock, the others the server's.
  return group !== null && group.username === username && Math.abs(at - group.at) < GROUP_MS;
}

/** @param {Note[]} notes @returns {Map<number, Note[]>} */
function notesAfter(notes) {
  /** @type {Map<number, Note[]>} */
  const bySeq = new Map();
  for (const note of notes) bySeq.set(note.after, [...(bySeq.get(note.after) ?? []), note]);
  return bySeq;
}

/** The reader's day, not the server's. @param {number} at */
export function dayOf(at) {
  const date = new Date(at);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}
