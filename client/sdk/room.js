/**
 * One room as this client follows it: how far it has read, and who is there. A pure state machine:
 * frames go in, what the application should hear comes out; it sends nothing itself.
 *
 * The promise: every message after the position is handed on once, in order; whatever can not be
 * had is said (`gap`). Only messages and history move the position, an acknowledgement never does,
 * because between the acknowledged one and the position others may stand that were not seen yet.
 */

/**
 * @typedef {import('./protocol.js').Message} Message
 * @typedef {import('./protocol.js').JoinedFrame} JoinedFrame
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
    const first = this.#state !== 'paging';
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
