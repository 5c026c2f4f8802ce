/**
 * Messages that the server has not acknowledged yet. The promise: each goes out in the order it was
 * written, with one id however often it is sent, not faster than the server's window allows, and is
 * forgotten only when it is committed, refused or discarded. A reload does not lose it.
 *
 * Bounded at `capacity`: a message beyond it is refused at once (`queue_full`), so that typing for
 * hours while offline cannot fill the disk. Each message has a storage key of its own, because
 * several tabs share one storage and a common list would be overwritten by whoever writes last.
 */
import { ChorusError } from './error.js';
import { isObject } from './protocol.js';

/**
 * @typedef {object} Waiting
 * @property {string} id
 * @property {string} room
 * @property {string} message
 * @property {number} at Unix milliseconds by this machine's clock
 */
/** @typedef {Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>} StorageLike */
/** @typedef {{waiting: Waiting, sentAt: number | null, attempts: number, mayBeCommitted: boolean}} Entry */

export const CAPACITY = 200;

/** A socket that answers other things but not this message: ask again, the id makes it harmless. */
const UNANSWERED_MS = 30_000;

/** The server counts arrivals, this side departures; the difference is the network's jitter. */
const JITTER_MS = 250;

export class Outbox {
  /** In the order written. @type {Map<string, Entry>} */
  #entries = new Map();
  #storage;
  #capacity;
  #prefix = '';
  /** When the latest messages went out; never more than one window's worth. @type {number[]} */
  #departures = [];
  #pausedUntil = 0;

  /** @param {{storage: StorageLike | null, capacity?: number}} options */
  constructor({ storage, capacity = CAPACITY }) {
    this.#storage = storage;
    this.#capacity = capacity;
  }

  get size() {
    return this.#entries.size;
  }

  /**
   * Takes up what an earlier run left behind for this person.
   * @param {string} prefix of the storage keys: server and person
   * @returns {Waiting[]} in the order written
   */
  open(prefix) {
    this.#prefix = prefix;
    const found = stored(this.#storage, prefix)
      .filter(({ id }) => !this.#entries.has(id))
      .slice(0, this.#capacity - this.#entries.size);
    // Whether the earlier run had sent them, nobody knows.
    for (const waiting of found) this.#entries.set(waiting.id, { waiting, sentAt: null, attempts: 0, mayBeCommitted: true });
    return found;
  }

  /** Forgets what is in memory; what is stored stays for the next `open`. */
  close() {
    this.#entries.clear();
    this.#prefix = '';
  }

  /** @param {Waiting} waiting */
  add(waiting) {
    if (this.#entries.has(waiting.id)) throw new ChorusError('invalid_id', 'A message with this id already waits.');
    if (this.#entries.size >= this.#capacity) {
      throw new ChorusError('queue_full', `${this.#capacity} messages are already waiting to be sent.`);
    }
    this.#entries.set(waiting.id, { waiting, sentAt: null, attempts: 0, mayBeCommitted: false });
    try {
      this.#storage?.setItem(this.#prefix + waiting.id, JSON.stringify(waiting));
    } catch {
      // A full or forbidden storage costs only the reload: the message still goes out from memory.
    }
  }

  /**
   * What may be sent now, in the order written: what holds one back (the window, a pause) holds back
   * all that come after it.
   * @param {number} now milliseconds of the monotonic clock
   * @param {{messages: number, windowSeconds: number}} limits
   * @param {(room: string) => boolean} isLive
   * @returns {{due: Waiting[], wakeAt: number | null}} wakeAt: when to ask again, if waiting helps
   */
  take(now, limits, isLive) {
    /** @type {Waiting[]} */
    const due = [];
    /** @type {number | null} */
    let wakeAt = null;
    const windowMs = limits.windowSeconds * 1000 + JITTER_MS;
    for (const entry of this.#entries.values()) {
      if (!isLive(entry.waiting.room)) continue;
      const sendAt = Math.max(readyAt(entry), this.#pausedUntil, this.#windowOpensAt(now, windowMs, limits.messages));
      if (sendAt > now) {
        wakeAt = Math.min(wakeAt ?? Infinity, sendAt);
        // One that was sent and waits for its answer holds nobody back.
        if (entry.sentAt !== null) continue;
        break;
      }
      entry.sentAt = now;
      entry.mayBeCommitted = true;
      this.#departures.push(now);
      due.push(entry.waiting);
    }
    if (wakeAt === null && due.length > 0) wakeAt = now + UNANSWERED_MS;
    return { due, wakeAt };
  }

  /** @param {string} id @returns {Waiting | null} */
  get(id) {
    return this.#entries.get(id)?.waiting ?? null;
  }

  /** Whether it was never sent, for certain. @param {string} id */
  isUnsent(id) {
    return this.#entries.get(id)?.mayBeCommitted === false;
  }

  /** @param {string} room @returns {string[]} */
  idsIn(room) {
    return [...this.#entries.values()].filter(({ waiting }) => waiting.room === room).map(({ waiting }) => waiting.id);
  }

  /** Committed, refused or discarded: it waits no more. @param {string} id @returns {Waiting | null} */
  remove(id) {
    const entry = this.#entries.get(id);
    if (!entry) return null;
    this.#entries.delete(id);
    try {
      this.#storage?.removeItem(this.#prefix + id);
    } catch {
      // It may be sent once more by a later run; its id keeps it from appearing twice.
    }
    return entry.waiting;
  }

  /**
   * The server said "later". Everything waits: the window belongs to the person, and sending the
   * next one instead would change the order.
   * @param {string} id
   * @param {number} now
   * @param {(attempt: number) => number} delayMs by how often this message was put off
   */
  postpone(id, now, delayMs) {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#pausedUntil = Math.max(this.#pausedUntil, now + delayMs(entry.attempts));
    entry.attempts += 1;
    entry.sentAt = null;
  }

  /** The socket is gone: what was sent and not answered must be sent again. */
  lost() {
    for (const entry of this.#entries.values()) entry.sentAt = null;
  }

  /** @param {number} now @param {number} windowMs @param {number} messages */
  #windowOpensAt(now, windowMs, messages) {
    while (this.#departures[0] !== undefined && this.#departures[0] <= now - windowMs) this.#departures.shift();
    const oldest = this.#departures[this.#departures.length - messages];
    return oldest === undefined ? now : oldest + windowMs;
  }
}

/** @param {Entry} entry */
function readyAt(entry) {
  return entry.sentAt === null ? 0 : entry.sentAt + UNANSWERED_MS;
}

/** @param {StorageLike | null} storage @param {string} prefix @returns {Waiting[]} */
function stored(storage, prefix) {
  /** @type {Waiting[]} */
  const found = [];
  try {
    for (let index = 0; index < (storage?.length ?? 0); index += 1) {
      const key = storage?.key(index);
      if (!key?.startsWith(prefix)) continue;
      const waiting = parseWaiting(storage?.getItem(key) ?? '');
      if (waiting && key === prefix + waiting.id) found.push(waiting);
    }
  } catch {
    // A storage that cannot be read has nothing waiting.
  }
  return found.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
}

/** @param {string} text @returns {Waiting | null} */
function parseWaiting(text) {
  try {
    const value = JSON.parse(text);
    if (!isObject(value)) return null;
    const { id, room, message, at } = value;
    const whole = typeof id === 'string' && typeof room === 'string' && typeof message === 'string' && typeof at === 'number';
    return whole ? { id, room, message, at } : null;
  } catch {
    return null;
  }
}
