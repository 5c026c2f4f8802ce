/**
 * Messages on their way from here: what waits, which is decided without any effect, and the sending.
 */
import { backoff } from './clock.js';
import { acceptedText, ChorusError, isObject, mayTryAgain } from './protocol.js';

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

/**
 * Messages that the server has not acknowledged yet. The promise: each goes out in the order it was
 * written, with one id however often it is sent, not faster than the server's window allows, and is
 * forgotten only when it is committed, refused or discarded. A reload does not lose it.
 *
 * Bounded at `capacity`: a message beyond it is refused at once (`queue_full`), so that typing for
 * hours while offline cannot fill the disk. Each message has a storage key of its own, because
 * several tabs share one storage and a common list would be overwritten by whoever writes last.
 */
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
   * @returns {{due: Waiting[], wakeAt: number | null, heldUntil: number | null}} wakeAt: when to ask again, if waiting helps;
   *   heldUntil: when the next may go that the window or a pause holds back
   */
  take(now, limits, isLive) {
    /** @type {Waiting[]} */
    const due = [];
    /** @type {number | null} */
    let wakeAt = null;
    /** @type {number | null} */
    let heldUntil = null;
    const windowMs = limits.windowSeconds * 1000 + JITTER_MS;
    for (const entry of this.#entries.values()) {
      if (!isLive(entry.waiting.room)) continue;
      const sendAt = Math.max(readyAt(entry), this.#pausedUntil, this.#windowOpensAt(now, windowMs, limits.messages));
      if (sendAt > now) {
        wakeAt = Math.min(wakeAt ?? Infinity, sendAt);
        // One that was sent and waits for its answer holds nobody back.
        if (entry.sentAt !== null) continue;
        heldUntil = sendAt;
        break;
      }
      entry.sentAt = now;
      entry.mayBeCommitted = true;
      this.#departures.push(now);
      due.push(entry.waiting);
    }
    if (wakeAt === null && due.length > 0) wakeAt = now + UNANSWERED_MS;
    return { due, wakeAt, heldUntil };
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

/**
 * Message ids: UUID version 7 (RFC 9562), made by the client so that a message keeps its id
 * through every resend. They sort in the order they were made, which is the order in which
 * a reloaded page sends what was still waiting.
 *
 * @param {() => number} wall Unix milliseconds
 * @returns {() => string}
 */
export function uuid7(wall) {
  let last = 0;
  let counter = 0;
  return () => {
    const now = wall();
    if (now > last) {
      last = now;
      counter = 0;
    } else {
      // The same millisecond, or a clock set back: 12 bits count on, then the time itself moves.
      counter += 1;
      if (counter > 0xfff) {
        last += 1;
        counter = 0;
      }
    }
    const random = crypto.getRandomValues(new Uint8Array(8));
    random[0] = ((random[0] ?? 0) & 0x3f) | 0x80;
    const time = last.toString(16).padStart(12, '0');
    const tail = Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
    const count = counter.toString(16).padStart(3, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-${tail.slice(0, 4)}-${tail.slice(4)}`;
  };
}

/** What the protocol takes as an id. @param {string} id */
export function isMessageId(id) {
  return /^[A-Za-z0-9_-]{1,64}$/.test(id);
}

/**
 * @typedef {import('./protocol.js').Message} Message
 * @typedef {{id: string, room: string, seq: number, timestamp: string}} Receipt
 * @typedef {{room: string, id: string, message: string, error: ChorusError}} Refusal
 * @typedef {{resolve: (receipt: Receipt) => void, reject: (error: ChorusError) => void}} Promised
 */
/**
 * @typedef {object} SendingOptions
 * @property {import('./socket.js').LiveSocket} socket
 * @property {StorageLike | null} storage
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random
 * @property {() => import('./protocol.js').Limits} limits
 * @property {(room: string) => boolean} isLive
 * @property {(waiting: Waiting) => void} waiting
 * @property {(receipt: Receipt) => void} sent
 * @property {(refusal: Refusal) => void} refused
 * @property {(paced: {nextInMs: number | null}) => void} paced
 */

/** How long a sent message may leave the socket without any frame at all. */
const ANSWER_MS = 15_000;

/**
 * From `send()` to its receipt: what waits goes out when it may, comes back with a receipt or a
 * refusal, and everybody who wants to know is told. When and what may go is the outbox's matter.
 */
export class Sending {
  #options;
  #outbox;
  #nextId;
  /** @type {Map<string, Promised>} */
  #promised = new Map();
  /** @type {unknown} */
  #timer = null;
  #held = false;

  /** @param {SendingOptions} options */
  constructor(options) {
    this.#options = options;
    this.#outbox = new Outbox({ storage: options.storage });
    this.#nextId = uuid7(options.clock.wall);
  }

  /** @param {string} prefix of the storage keys @returns {Waiting[]} what an earlier run left behind */
  open(prefix) {
    return this.#outbox.open(prefix);
  }

  close() {
    this.lost();
    this.#outbox.close();
    const stopped = new ChorusError('stopped', 'The client was disconnected.');
    for (const promised of this.#promised.values()) promised.reject(stopped);
    this.#promised.clear();
  }

  /** The socket is gone. */
  lost() {
    this.#options.clock.clearTimeout(this.#timer);
    this.#outbox.lost();
  }

  /** @param {string} room @param {string} message @param {string} [id] @returns {Promise<Receipt>} */
  send(room, message, id = this.#nextId()) {
    const waiting = { id, room, message: acceptedText(message), at: this.#options.clock.wall() };
    try {
      this.#check(waiting);
      this.#outbox.add(waiting);
    } catch (cause) {
      const error = ChorusError.from(cause);
      this.#options.refused({ room, id, message, error });
      return Promise.reject(error);
    }
    /** @type {Promise<Receipt>} */
    const receipt = new Promise((resolve, reject) => this.#promised.set(id, { resolve, reject }));
    // Whoever listens to events instead need not catch it too.
    receipt.catch(() => {});
    this.#options.waiting(waiting);
    return receipt;
  }

  /** @param {string} id */
  discard(id) {
    if (this.#outbox.remove(id)) this.#settle(id)?.reject(new ChorusError('stopped', 'The message was discarded.'));
  }

  /** @param {string} id @returns {boolean} whether it was still here and never sent */
  withdraw(id) {
    if (!this.#outbox.isUnsent(id)) return false;
    this.discard(id);
    return true;
  }

  /** @param {string} room */
  rejectAll(room, /** @type {ChorusError} */ error) {
    for (const id of this.#outbox.idsIn(room)) this.#reject(id, error);
  }

  /** Acknowledged, or seen in the log. @param {Receipt} receipt */
  committed({ id, room, seq, timestamp }) {
    if (this.#outbox.get(id)?.room !== room) return;
    this.#outbox.remove(id);
    const receipt = { id, room, seq, timestamp };
    this.#settle(id)?.resolve(receipt);
    this.#options.sent(receipt);
  }

  /** @param {string | null} id @param {ChorusError} error @returns {boolean} whether it was about a message that waits here */
  refused(id, error) {
    if (id === null || !this.#outbox.get(id)) return false;
    if (mayTryAgain(error.code)) {
      const { clock, random } = this.#options;
      this.#outbox.postpone(id, clock.now(), (attempt) => error.retryAfterMs ?? 500 + backoff(attempt, random));
      this.flush();
    } else {
      this.#reject(id, error);
    }
    return true;
  }

  /** Sends what may be sent, and comes back when more may. */
  flush() {
    const { clock, socket, limits, isLive } = this.#options;
    clock.clearTimeout(this.#timer);
    if (!socket.connected) return;
    const { due, wakeAt, heldUntil } = this.#outbox.take(clock.now(), limits(), isLive);
    for (const waiting of due) this.#sendNow(waiting);
    if (due.length > 0) socket.expectFrame(ANSWER_MS);
    if (wakeAt !== null) this.#timer = clock.setTimeout(() => this.flush(), wakeAt - clock.now());
    if (heldUntil !== null || this.#held) this.#options.paced({ nextInMs: heldUntil && heldUntil - clock.now() });
    this.#held = heldUntil !== null;
  }

  /** @param {Waiting} waiting */
  #sendNow(waiting) {
    const { id, room, message } = waiting;
    try {
      // Again, because it may have been taken before the limits were known.
      this.#check(waiting);
      this.#options.socket.send({ type: 'message', room, id, message });
    } catch (cause) {
      this.#reject(id, ChorusError.from(cause));
    }
  }

  /**
   * Refuses what the server would close the socket for (1009): resent after every reconnect, such a
   * message would keep this client out for ever. Everything else is the server's to judge.
   * @param {Waiting} waiting
   */
  #check({ id, room, message }) {
    if (!isMessageId(id)) throw new ChorusError('invalid_id', 'An id is 1 to 64 of A-Z, a-z, 0-9, _ and -.');
    if (message === '') throw new ChorusError('message_empty', 'There is nothing to send.');
    const frame = JSON.stringify({ type: 'message', room, id, message });
    if (new TextEncoder().encode(frame).length > this.#options.limits().frameBytes) {
      throw new ChorusError('message_too_long', 'The message is too long.');
    }
  }

  /** @param {string} id @param {ChorusError} error */
  #reject(id, error) {
    const waiting = this.#outbox.remove(id);
    if (!waiting) return;
    this.#settle(id)?.reject(error);
    this.#options.refused({ room: waiting.room, id, message: waiting.message, error });
  }

  /** @param {string} id */
  #settle(id) {
    const promised = this.#promised.get(id);
    this.#promised.delete(id);
    return promised;
  }
}
