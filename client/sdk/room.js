/**
 * Rooms as this client follows them: one, which is a pure state machine, and all of them on whatever
 * socket there is.
 */
import { backoff } from './clock.js';
import { ChorusError, mayTryAgain } from './protocol.js';

/**
 * @typedef {import('./protocol.js').Message} Message
 * @typedef {import('./protocol.js').JoinedFrame} JoinedFrame
 * @typedef {import('./protocol.js').MessageFrame} MessageFrame
 * @typedef {import('./protocol.js').PresenceFrame} PresenceFrame
 * @typedef {import('./protocol.js').UserListFrame} UserListFrame
 * @typedef {import('./protocol.js').JoinRequest} JoinRequest
 * @typedef {import('./protocol.js').UnrecoveredReason} UnrecoveredReason
 */
/**
 * @typedef {object} Gap messages that this client did not get
 * @property {number} after the last seq seen before it
 * @property {number} before the first seq seen after it; `after + 1` when nothing can be counted
 * @property {UnrecoveredReason} reason
 */
/**
 * @typedef {object} History one page of messages, from a join
 * @property {string} room
 * @property {Message[]} messages ascending, none of them handed on before
 * @property {number} seq how far the log was read with this page
 * @property {boolean} resumed this client had been in the room before, in this run
 * @property {boolean} recovered nothing between the old position and these is missing
 * @property {UnrecoveredReason | null} reason
 * @property {Gap | null} gap
 * @property {boolean} first first page of this join
 * @property {boolean} last what follows is live
 */
/**
 * @typedef {object} People
 * @property {string} room
 * @property {string[]} users at most the first 500 by name
 * @property {number} userCount all of them
 * @property {string[]} joined who came, when this is a change; empty when it is a whole list
 * @property {string[]} left
 */

/**
 * One room as this client follows it: how far it has read, and who is there. A pure state machine:
 * frames go in, what the application should hear comes out; it sends nothing itself.
 *
 * The promise: every message after the position is handed on once, in order; whatever can not be
 * had is said (`gap`). Only messages and history move the position, an acknowledgement never does,
 * because between the acknowledged one and the position others may stand that were not seen yet.
 */
export class Room {
  /** @type {{seq: number, id: string | null} | null} */
  #position = null;
  /** @type {'out' | 'asked' | 'paging' | 'live'} */
  #state = 'out';
  /** @type {string[]} */
  #users = [];
  /** Null while a list has been asked for: changes cannot be applied to a list that may be wrong. @type {number | null} */
  #version = null;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /** Live messages arrive, and messages may be sent. */
  get live() {
    return this.#state === 'live';
  }

  get seq() {
    return this.#position?.seq ?? 0;
  }

  /** The socket is gone; the position stays. */
  lost() {
    this.#state = 'out';
    this.#version = null;
  }

  /** @returns {JoinRequest} */
  join() {
    this.#state = 'asked';
    const ref = `join:${this.name}`;
    const at = this.#position;
    if (!at) return { type: 'join', room: this.name, ref };
    if (at.id === null) return { type: 'join', room: this.name, after: at.seq, ref };
    return { type: 'join', room: this.name, after: at.seq, afterId: at.id, ref };
  }

  /**
   * An answer to `join()`, or the server's own word: a room whose log changed is joined anew without asking.
   * @param {JoinedFrame} frame
   * @returns {{history: History, people: People | null} | null} null when it is not joined
   */
  joined(frame) {
    if (this.#state === 'out') return null;
    // A page that does not follow the one before begins anew: what is between them was deleted meanwhile.
    const first = this.#state !== 'paging' || !frame.recovered;
    const before = this.#position;
    const gap = first && before ? gapOf(frame, before.seq) : null;
    // A changed log numbers anew: what was seen there says nothing about what is there now.
    const startsOver = first && !frame.recovered && (!before || frame.reason === 'log_changed');
    if (startsOver) this.#position = null;
    const messages = frame.messages.filter((message) => message.seq > this.seq);
    for (const message of messages) this.#moveTo(message);
    this.#position ??= { seq: frame.seq, id: null };
    this.#state = frame.hasMore ? 'paging' : 'live';
    const history = {
      room: this.name,
      messages,
      seq: frame.seq,
      resumed: before !== null,
      recovered: frame.recovered,
      reason: frame.reason,
      gap,
      first,
      last: !frame.hasMore,
    };
    // Each page carries the people; the last page's are the ones that live changes build on.
    return { history, people: frame.hasMore ? null : this.#list(frame) };
  }

  /**
   * @param {Message} message a live one
   * @returns {'next' | 'duplicate' | 'hole'} hole: something before it is missing; it was not taken
   */
  message(message) {
    if (message.seq <= this.seq) return 'duplicate';
    if (message.seq > this.seq + 1) return 'hole';
    this.#moveTo(message);
    return 'next';
  }

  /**
   * Takes messages that were read to fill a hole, and the ones that came meanwhile. A number still
   * missing then is no message: numbers count events, and a later protocol has more kinds of them.
   * @param {Message[]} messages ascending
   * @returns {Message[]} those not handed on before
   */
  fill(messages) {
    const missing = messages.filter((message) => message.seq > this.seq);
    for (const message of missing) this.#moveTo(message);
    return missing;
  }

  /**
   * @param {PresenceFrame} frame
   * @returns {People | 'ask' | null} 'ask': a change was missed, the whole list must come; null: it is on its way
   */
  presence(frame) {
    if (this.#version === null) return null;
    if (frame.version !== this.#version + 1) {
      this.#version = null;
      return 'ask';
    }
    this.#version = frame.version;
    const gone = new Set(frame.left);
    const users = this.#users.filter((name) => !gone.has(name));
    const present = new Set(users);
    for (const name of frame.joined) if (!present.has(name)) users.push(name);
    this.#users = users.sort(byName);
    return this.#people(frame.userCount, frame.joined, frame.left);
  }

  /** @param {UserListFrame} frame @returns {People} */
  userList(frame) {
    return this.#list(frame);
  }

  /** @param {{users: string[], userCount: number, version: number}} list @returns {People} */
  #list({ users, userCount, version }) {
    this.#users = [...users].sort(byName);
    this.#version = version;
    return this.#people(userCount, [], []);
  }

  /** @param {number} userCount @param {string[]} joined @param {string[]} left @returns {People} */
  #people(userCount, joined, left) {
    return { room: this.name, users: [...this.#users], userCount, joined, left };
  }

  /** @param {Message} message */
  #moveTo(message) {
    this.#position = { seq: message.seq, id: message.id };
  }
}

/**
 * What a join that could not resume leaves out. A newest page that reaches back to the old
 * position leaves nothing out, unless the log itself is another one.
 * @param {JoinedFrame} frame
 * @param {number} seen
 * @returns {Gap | null}
 */
function gapOf(frame, seen) {
  if (frame.recovered) return null;
  const reason = frame.reason ?? 'fresh';
  const first = frame.messages[0]?.seq ?? frame.seq + 1;
  if (reason === 'log_changed') return { after: seen, before: seen + 1, reason };
  return first > seen + 1 ? { after: seen, before: first, reason } : null;
}

/** As the server sorts: without regard to case. @param {string} a @param {string} b */
function byName(a, b) {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  return x < y ? -1 : x > y ? 1 : 0;
}

/**
 * @typedef {object} FollowingOptions
 * @property {import('./socket.js').LiveSocket} socket
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random
 * @property {(room: string, range: {after: number, limit: number}) => Promise<import('./api.js').HistoryPage>} read
 * @property {(history: History) => void} history
 * @property {(room: string, message: Message) => void} message
 * @property {(people: People) => void} people
 * @property {(room: string, error: ChorusError) => void} closed
 */

/** Live messages kept while a hole is filled; beyond it the socket is left and resumed. */
const HELD = 1_000;

/**
 * The rooms this client is in, on whatever socket there is: joins them again after a loss, hands on
 * what they bring, and fills the hole that should never be there.
 */
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
