/**
 * From `send()` to its receipt: what waits goes out when it may, comes back with a receipt or a
 * refusal, and everybody who wants to know is told. When and what may go is the outbox's matter.
 */
import { backoff } from './backoff.js';
import { ChorusError } from './error.js';
import { isMessageId, uuid7 } from './ids.js';
import { Outbox } from './outbox.js';
import { acceptedText, mayTryAgain } from './protocol.js';

/**
 * @typedef {import('./outbox.js').Waiting} Waiting
 * @typedef {import('./protocol.js').Message} Message
 * @typedef {{id: string, room: string, seq: number, timestamp: string}} Receipt
 * @typedef {{room: string, id: string, message: string, error: ChorusError}} Refusal
 * @typedef {{resolve: (receipt: Receipt) => void, reject: (error: ChorusError) => void}} Promised
 */
/**
 * @typedef {object} SendingOptions
 * @property {import('./socket.js').LiveSocket} socket
 * @property {import('./outbox.js').StorageLike | null} storage
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random
 * @property {() => import('./protocol.js').Limits} limits
 * @property {(room: string) => boolean} isLive
 * @property {(waiting: Waiting) => void} waiting
 * @property {(receipt: Receipt) => void} sent
 * @property {(refusal: Refusal) => void} refused
 */

/** How long a sent message may leave the socket without any frame at all. */
const ANSWER_MS = 15_000;

export class Sending {
  #options;
  #outbox;
  #nextId;
  /** @type {Map<string, Promised>} */
  #promised = new Map();
  /** @type {unknown} */
  #timer = null;

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
    const { due, wakeAt } = this.#outbox.take(clock.now(), limits(), isLive);
    for (const waiting of due) this.#sendNow(waiting);
    if (due.length > 0) socket.expectFrame(ANSWER_MS);
    if (wakeAt !== null) this.#timer = clock.setTimeout(() => this.flush(), wakeAt - clock.now());
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
