/**
 * The rooms this client is in, on whatever socket there is: joins them again after a loss, hands on
 * what they bring, and fills the hole that should never be there.
 */
import { backoff } from './backoff.js';
import { ChorusError } from './error.js';
import { mayTryAgain } from './protocol.js';
import { Room } from './room.js';

/**
 * @typedef {import('./protocol.js').Message} Message
 * @typedef {import('./protocol.js').JoinedFrame} JoinedFrame
 * @typedef {import('./protocol.js').MessageFrame} MessageFrame
 * @typedef {import('./protocol.js').PresenceFrame} PresenceFrame
 * @typedef {import('./protocol.js').UserListFrame} UserListFrame
 */
/**
 * @typedef {object} FollowingOptions
 * @property {import('./socket.js').LiveSocket} socket
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random
 * @property {(room: string, range: {after: number, limit: number}) => Promise<import('./api.js').HistoryPage>} read
 * @property {(history: import('./room.js').History) => void} history
 * @property {(room: string, message: Message) => void} message
 * @property {(people: import('./room.js').People) => void} people
 * @property {(room: string, error: ChorusError) => void} closed
 */

/** Live messages kept while a hole is filled; beyond it the socket is left and resumed. */
const HELD = 1_000;

export class Following {
  #options;
  /** @type {Map<string, Room>} */
  #rooms = new Map();
  /** Rooms with a hole being filled, and what arrived there since. @type {Map<string, Message[]>} */
  #held = new Map();
  /** Joins to be asked for again. @type {Set<unknown>} */
  #timers = new Set();

  /** @param {FollowingOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** @param {string} name */
  isLive(name) {
    return this.#rooms.get(name)?.live === true;
  }

  /** @param {string} name */
  join(name) {
    if (this.#rooms.has(name)) return;
    const room = new Room(name);
    this.#rooms.set(name, room);
    if (this.#options.socket.connected) this.#options.socket.send(room.join());
  }

  /** @param {string} name */
  leave(name) {
    if (!this.#rooms.delete(name)) return;
    this.#held.delete(name);
    this.#options.socket.send({ type: 'leave', room: name });
  }

  clear() {
    this.lost();
    this.#rooms.clear();
  }

  /** A new socket: join again, each room from where it was. */
  welcomed() {
    for (const room of this.#rooms.values()) this.#options.socket.send(room.join());
  }

  lost() {
    for (const room of this.#rooms.values()) room.lost();
    this.#held.clear();
    // The next socket joins every room anyway, and must not join one twice.
    for (const timer of this.#timers) this.#options.clock.clearTimeout(timer);
    this.#timers.clear();
  }

  /** The cheapest question that is always answered: who is here. */
  probe() {
    for (const { name, live } of this.#rooms.values()) {
      if (live) return this.#ask(name);
    }
  }

  /** @param {JoinedFrame} frame */
  joined(frame) {
    const answer = this.#rooms.get(frame.room)?.joined(frame);
    if (!answer) return;
    this.#options.history(answer.history);
    if (answer.people) this.#options.people(answer.people);
  }

  /** @param {UserListFrame} frame */
  userList(frame) {
    const people = this.#rooms.get(frame.room)?.userList(frame);
    if (people) this.#options.people(people);
  }

  /** @param {PresenceFrame} frame */
  presence(frame) {
    const change = this.#rooms.get(frame.room)?.presence(frame);
    if (change === 'ask') this.#ask(frame.room);
    else if (change) this.#options.people(change);
  }

  /** @param {MessageFrame} frame */
  message({ type: _, room: name, ...message }) {
    const room = this.#rooms.get(name);
    if (!room?.live) return;
    const held = this.#held.get(name);
    if (held) {
      held.push(message);
      if (held.length > HELD) this.#options.socket.restart('hole');
      return;
    }
    const verdict = room.message(message);
    if (verdict === 'next') this.#options.message(name, message);
    if (verdict === 'hole') void this.#fill(room, message);
  }

  /** A join was refused, perhaps in the middle of its pages. @param {string} name @param {ChorusError} error */
  refused(name, error) {
    const { clock, random, socket, closed } = this.#options;
    const room = this.#rooms.get(name);
    if (!room) return;
    if (!mayTryAgain(error.code)) {
      this.#rooms.delete(name);
      return closed(name, error);
    }
    const again = () => {
      this.#timers.delete(timer);
      if (this.#rooms.get(name) === room) socket.send(room.join());
    };
    const timer = clock.setTimeout(again, error.retryAfterMs ?? 1_000 + backoff(4, random));
    this.#timers.add(timer);
  }

  /** @param {string} name */
  #ask(name) {
    this.#options.socket.send({ type: 'users', room: name });
  }

  /**
   * The server promises that there is no hole; should there be one all the same, it is read from the log.
   * @param {Room} room
   * @param {Message} message the one after the hole
   */
  async #fill(room, message) {
    const held = [message];
    this.#held.set(room.name, held);
    try {
      for (let more = true; more; ) {
        const page = await this.#options.read(room.name, { after: room.seq, limit: 200 });
        if (this.#held.get(room.name) !== held) return;
        // A reader that lags behind what was already delivered cannot say that nothing is missing.
        if (page.lastSeq < message.seq) throw new ChorusError('hole', 'The log is behind.');
        this.#take(room, page.messages);
        more = page.hasMore && page.messages.length > 0 && room.seq < message.seq;
      }
      this.#held.delete(room.name);
      this.#take(room, held);
    } catch {
      if (this.#held.get(room.name) === held) this.#options.socket.restart('hole');
    }
  }

  /** @param {Room} room @param {Message[]} messages */
  #take(room, messages) {
    for (const message of room.fill(messages)) this.#options.message(room.name, message);
  }
}
