/**
 * The Chorus client for programs and pages: one object, one sign-in, any number of rooms.
 *
 *     const chorus = new Chorus({ url: 'https://chat.example.org' });
 *     await chorus.signIn('robin', 'correct horse');
 *     chorus.on('message', ({ room, message }) => { if (message === 'ping') chorus.send(room, 'pong'); });
 *     chorus.join('lobby');
 *
 * It promises what the protocol promises: after a loss it comes back by itself and hands on every
 * message once and in order, or says with `history.gap` what is missing; what `send()` took is sent
 * until it is committed (the promise resolves) or refused (it rejects with a `ChorusError`).
 * It knows nothing of any page and runs in browsers and in Node (hand in `WebSocket` before Node 22).
 */
import { Api } from './api.js';
import { systemClock } from './clock.js';
import { Sending } from './outbox.js';
import { ChorusError, DEFAULT_LIMITS, mayTryAgain } from './protocol.js';
import { Remembered, Renewal } from './renewal.js';
import { Following } from './room.js';
import { LiveSocket } from './socket.js';

export { ChorusError } from './protocol.js';

/**
 * @typedef {import('./api.js').Session} Session
 * @typedef {import('./api.js').ServerInfo} ServerInfo
 * @typedef {import('./api.js').HistoryRange} HistoryRange
 * @typedef {import('./api.js').NameRange} NameRange
 * @typedef {import('./api.js').HistoryPage} HistoryPage
 * @typedef {import('./protocol.js').Limits} Limits
 * @typedef {import('./protocol.js').Message} Message
 * @typedef {import('./protocol.js').ServerFrame} ServerFrame
 * @typedef {import('./outbox.js').Receipt} Receipt
 * @typedef {import('./outbox.js').Refusal} Refusal
 * @typedef {import('./outbox.js').StorageLike} StorageLike
 * @typedef {import('./outbox.js').Waiting} Waiting
 * @typedef {import('./room.js').History} History
 * @typedef {import('./room.js').People} People
 * @typedef {import('./socket.js').Status} Status
 */
/**
 * @typedef {object} ChorusEvents
 * @property {Status} status
 * @property {{username: string, build: string, limits: Limits}} welcome each new connection
 * @property {History} history a page of messages that were said before: the newest when a room is entered, the missed ones after a loss
 * @property {Message & {room: string}} message a live one, the own ones too
 * @property {People} people who is in a room: the whole list, and what changed
 * @property {{room: string, username: string}} typing at most every 3 s while somebody types
 * @property {{message: string}} announcement from the operator
 * @property {Waiting} waiting taken by `send()`, or left over from an earlier run
 * @property {Receipt} sent committed
 * @property {Refusal} refused it will not be sent again
 * @property {{nextInMs: number | null}} paced messages wait because the server takes no more of them now; null: none does any more
 * @property {{aheadMs: number}} clock how far the server's clock is ahead of this machine's, whenever it was measured
 * @property {{room: string, error: ChorusError}} closed the room can't be joined, or not any more
 * @property {ChorusError} error what the server complained of and belongs to nothing above
 */
/**
 * @typedef {object} ChorusOptions
 * @property {string} url origin of the server: `https://chat.example.org`
 * @property {() => string | null | Promise<string | null>} [getToken] where the token is kept; in memory by default
 * @property {(session: Session) => void} [onSession] a new token was given; keep it where `getToken` finds it
 * @property {import('./renewal.js').Page} [page] the page this runs in. When the server is its own, sign-ins can be remembered
 * @property {StorageLike | null} [storage] keeps waiting messages across runs
 * @property {import('./socket.js').SocketClass} [WebSocket] where there is no global one: Node before 22
 * @property {typeof globalThis.fetch} [fetch]
 * @property {import('./clock.js').Clock} [clock] for tests
 * @property {() => number} [random] in [0, 1); for tests
 */

/** How often somebody is told that this person types; the server takes no more. */
const TYPING_MS = 3_000;

/**
 * Listeners by type of event. A listener that throws is reported and harms no other:
 * the connection must not die of a mistake in somebody's `on('message')`.
 * @template {object} Map
 */
class Events {
  /** @type {{[K in keyof Map]?: Set<(event: Map[K]) => void>}} */
  #listeners = {};

  /**
   * @template {keyof Map} K
   * @param {K} type
   * @param {(event: Map[K]) => void} listener
   * @returns {() => void}
   */
  on(type, listener) {
    const listeners = (this.#listeners[type] ??= new Set());
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * @template {keyof Map} K
   * @param {K} type
   * @param {Map[K]} event
   */
  emit(type, event) {
    for (const listener of this.#listeners[type] ?? []) {
      try {
        listener(event);
      } catch (cause) {
        console.error(cause);
      }
    }
  }
}

export class Chorus {
  #api;
  #socket;
  #renewal;
  #remembered;
  #following;
  #sending;
  #clock;
  #url;
  #getToken;
  #onSession;
  /** @type {Events<ChorusEvents>} */
  #events = new Events();
  /** @type {Map<string, number>} */
  #typedAt = new Map();
  /** @type {string | null} */
  #token = null;
  #username = '';
  /** Between `connect` and `disconnect`: who has signed out is not signed in again by what is still under way. */
  #active = false;
  /** @type {Limits} */
  #limits = { ...DEFAULT_LIMITS };

  /** @param {ChorusOptions} options */
  constructor(options) {
    const { clock = systemClock, random = Math.random, WebSocket = globalThis.WebSocket } = options;
    if (!WebSocket) {
      throw new TypeError('There is no WebSocket here. Hand one in, or start Node before 22 with --experimental-websocket.');
    }
    this.#clock = clock;
    this.#url = options.url.replace(/\/+$/, '');
    this.#getToken = options.getToken ?? (() => this.#token);
    this.#onSession = options.onSession ?? (() => {});
    // Called as a method of something else, a browser's fetch refuses to work.
    const fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#api = new Api({ url: this.#url, fetch, clock });
    const offered = options.page?.origin === new URL(this.#url).origin;
    this.#remembered = new Remembered(offered, options.page?.locks, { api: this.#api, clock, getToken: () => this.#getToken() });
    this.#socket = new LiveSocket(
      {
        url: this.#url.replace(/^http/, 'ws'),
        ticket: () => this.#ticket(),
        returns: offered,
        WebSocket,
        clock,
        random,
      },
      {
        status: (status) => this.#statusChanged(status),
        welcome: (frame) => this.#welcomed(frame),
        frame: (frame) => this.#received(frame),
        lost: () => this.#lost(),
        probe: () => this.#following.probe(),
      },
    );
    this.#following = this.#follow(random);
    this.#sending = this.#sender(options.storage ?? null, random);
    this.#renewal = new Renewal(clock, random, {
      serverTime: () => this.#api.serverTime(),
      measured: (aheadMs) => this.#events.emit('clock', { aheadMs }),
      renewToken: () => this.#renewToken(),
      renewSocket: () => this.#renewSocket(),
      ended: (code) => this.#socket.signedOut(code),
    });
  }

  /** Who is signed in here, as the server spells it; empty before that. */
  get username() {
    return this.#username;
  }

  /** What the server allows. Its defaults until the first `welcome`. */
  get limits() {
    return this.#limits;
  }

  /**
   * @template {keyof ChorusEvents} K
   * @param {K} type
   * @param {(event: ChorusEvents[K]) => void} listener
   * @returns {() => void} stops listening
   */
  on(type, listener) {
    return this.#events.on(type, listener);
  }

  /** What the server is and allows; needs no sign-in. */
  server() {
    return this.#api.server();
  }

  /** Makes an account; it does not sign in. @param {string} username @param {string} password */
  register(username, password) {
    return this.#api.register(username, password);
  }

  /**
   * Signs in and connects.
   * @param {string} username
   * @param {string} password
   * @param {{remember?: boolean}} [options] remember: the browser keeps a cookie, and the sign-in lasts until nobody came for
   *   14 days. Only on a page of the server itself; elsewhere the sign-in ends with its token, as without it
   * @returns {Promise<Session>}
   */
  async signIn(username, password, { remember = false } = {}) {
    const cookie = remember && this.#remembered.offered;
    const session = await this.#api.login(username, password, cookie);
    if (cookie) this.#remembered.given();
    this.#keep(session);
    this.connect(session.username);
    return session;
  }

  /**
   * Takes up the sign-in that this browser remembers, with a new token, and connects. For the start of a page that has
   * no token; a token that is refused later is replaced this way without being asked for.
   * @returns {Promise<Session | null>} null: nobody is remembered. Rejects with a `ChorusError` when that can't be found out
   */
  async takeUp() {
    const session = await this.#remembered.take(await this.#getToken(), (found) => {
      // Somebody may have signed in meanwhile.
      if (!this.#active) this.#keep(found);
      return !this.#active;
    });
    if (session) this.connect(session.username);
    return session;
  }

  /**
   * Changes the password. Stays signed in, with a new token; all other sign-ins of the person end.
   * @param {string} current
   * @param {string} next
   * @returns {Promise<Session>} rejects with a `ChorusError`: `invalid_credentials` when `current` is wrong, `invalid_password` when `next` can't be one
   */
  async changePassword(current, next) {
    const session = await this.#withToken((token) => this.#api.password(token, current, next));
    this.#keep(session);
    return session;
  }

  /** Ends the sign-in on the server and here. It is over here even when the server can't be told (that is thrown). */
  async signOut() {
    const username = this.#username;
    const token = await this.#getToken();
    this.disconnect();
    this.#token = null;
    if (token) await this.#logOut(token, username);
  }

  /** With a token from an earlier run. Messages that were still waiting then wait again. @param {string} username */
  connect(username) {
    this.#username = username;
    this.#active = true;
    for (const waiting of this.#sending.open(this.#storagePrefix())) {
      this.join(waiting.room);
      this.#events.emit('waiting', waiting);
    }
    this.#socket.start();
  }

  /** Leaves everything. What waits stays in the storage; its promises are rejected with `stopped`. */
  disconnect() {
    this.#active = false;
    this.#socket.stop();
    this.#sending.close();
    this.#following.clear();
  }

  /** Enters a room, now or as soon as there is a connection, and again after each loss. @param {string} room */
  join(room) {
    this.#following.join(room);
  }

  /** What still waits to be sent there waits on, until the room is joined again. @param {string} room */
  leave(room) {
    this.#following.leave(room);
  }

  /**
   * Takes a message. It is sent as soon as it may, again and again with the same id if need be.
   * @param {string} room joined if it is not yet
   * @param {string} message
   * @param {{id?: string}} [options]
   * @returns {Promise<Receipt>} rejects with a `ChorusError`; its `code` is the server's, or `queue_full`, or `stopped`
   */
  send(room, message, { id } = {}) {
    const receipt = this.#sending.send(room, message, id);
    this.#following.join(room);
    this.#sending.flush();
    return receipt;
  }

  /** Forgets a message that waits. It may have been committed already; then it will appear. @param {string} id */
  discard(id) {
    this.#sending.discard(id);
  }

  /** Takes back a message that waits, if it is certain that it was never sent. @param {string} id @returns {boolean} whether it is taken back */
  withdraw(id) {
    return this.#sending.withdraw(id);
  }

  /** Says that somebody types; call it as often as you like. @param {string} room */
  typing(room) {
    const now = this.#clock.now();
    if (now - (this.#typedAt.get(room) ?? -Infinity) < TYPING_MS) return;
    if (this.#following.isLive(room) && this.#socket.send({ type: 'typing', room })) this.#typedAt.set(room, now);
  }

  /** Reads one page of a room's log, ascending; without `before` and `after` the newest. @param {string} room @param {HistoryRange} [range] */
  async history(room, range = {}) {
    return this.#withToken((token) => this.#api.messages(token, room, range));
  }

  /** The server's rooms by name, a page at a time. @param {NameRange} [range] */
  async rooms(range = {}) {
    return this.#withToken((token) => this.#api.rooms(token, range));
  }

  /** Makes a room; everyone who is signed in may enter it. Rejects with `room_taken` if it exists. @param {string} room */
  async createRoom(room) {
    return this.#withToken((token) => this.#api.createRoom(token, room));
  }

  /** Who is in a room by name, a page at a time: `people` events carry only the first 500. @param {string} room @param {NameRange} [range] */
  async people(room, range = {}) {
    return this.#withToken((token) => this.#api.people(token, room, range));
  }

  /** Try to reconnect now instead of when the wait is over. */
  reconnectNow() {
    this.#socket.now();
  }

  /** The system found a network, or woke up: check at once whether the connection still lives. */
  online() {
    this.#socket.online();
  }

  /** The system says that there is no network. */
  offline() {
    this.#socket.offline();
  }

  /** @param {Status} status */
  #statusChanged(status) {
    if (status.state === 'stopped' || status.state === 'signed_out') this.#renewal.stop();
    this.#events.emit('status', status);
  }

  /** @param {import('./protocol.js').WelcomeFrame} frame */
  #welcomed({ username, build, limits, expiresAt }) {
    this.#username = username;
    this.#limits = limits;
    this.#events.emit('welcome', { username, build, limits });
    this.#following.welcomed();
    void this.#renewal.schedule(expiresAt);
  }

  #lost() {
    this.#following.lost();
    this.#sending.lost();
  }

  /** @param {() => number} random */
  #follow(random) {
    return new Following({
      socket: this.#socket,
      clock: this.#clock,
      random,
      read: (room, range) => this.history(room, range),
      history: (history) => {
        this.#events.emit('history', history);
        for (const message of history.messages) this.#seen(history.room, message);
        // Only now: a message that waits may have been among these, its acknowledgement lost.
        this.#sending.flush();
      },
      message: (room, message) => {
        this.#events.emit('message', { room, ...message });
        this.#seen(room, message);
      },
      people: (people) => this.#events.emit('people', people),
      closed: (room, error) => {
        this.#sending.rejectAll(room, error);
        this.#events.emit('closed', { room, error });
      },
    });
  }

  /** @param {StorageLike | null} storage @param {() => number} random */
  #sender(storage, random) {
    return new Sending({
      socket: this.#socket,
      storage,
      clock: this.#clock,
      random,
      limits: () => this.#limits,
      isLive: (room) => this.#following.isLive(room),
      waiting: (waiting) => this.#events.emit('waiting', waiting),
      sent: (receipt) => this.#events.emit('sent', receipt),
      refused: (refusal) => this.#events.emit('refused', refusal),
      paced: (paced) => this.#events.emit('paced', paced),
    });
  }

  /** A message in the log that is this person's own and waits here was committed. @param {string} room @param {Message} message */
  #seen(room, { id, username, seq, timestamp }) {
    if (username === this.#username) this.#sending.committed({ id, room, seq, timestamp });
  }

  /** @param {ServerFrame} frame */
  #received(frame) {
    switch (frame.type) {
      case 'joined':
        return this.#following.joined(frame);
      case 'message':
        return this.#following.message(frame);
      case 'presence':
        return this.#following.presence(frame);
      case 'userList':
        return this.#following.userList(frame);
      case 'ack':
        return this.#sending.committed(frame);
      case 'typing':
        return this.#events.emit('typing', { room: frame.room, username: frame.username });
      case 'announcement':
        return this.#events.emit('announcement', { message: frame.message });
      case 'renewed':
        return void this.#renewal.schedule(frame.expiresAt);
      case 'error':
        return this.#refused(frame);
      default:
        return undefined;
    }
  }

  /** @param {import('./protocol.js').ErrorFrame} frame */
  #refused({ code, message, id, ref, retryAfterMs }) {
    const error = new ChorusError(code, message, { retryAfterMs });
    if (this.#sending.refused(id, error)) return;
    if (ref?.startsWith('join:')) return this.#following.refused(ref.slice('join:'.length), error);
    if (ref === 'renew') return mayTryAgain(code) ? this.#renewal.failed(error) : this.#socket.restart(code);
    this.#events.emit('error', error);
  }

  async #ticket() {
    return this.#withToken((token) => this.#api.ticket(token));
  }

  async #renewToken() {
    const remembered = await this.#byDueCookie();
    if (remembered) return remembered.expiresAt;
    const session = await this.#withToken((token) => this.#api.refresh(token));
    this.#keep(session);
    return session.expiresAt;
  }

  /** So that the cookie of somebody who stays does not expire. @returns {Promise<Session | null>} */
  async #byDueCookie() {
    if (!this.#remembered.isDue) return null;
    try {
      return await this.#remembered.take(await this.#getToken(), (session) => this.#keepOwn(session));
    } catch (cause) {
      // Whether anything else failed is found out by asking again soon, while an answer that got lost does no harm.
      if (ChorusError.from(cause).status !== 429) throw cause;
      return null;
    }
  }

  async #renewSocket() {
    if (this.#socket.connected) this.#socket.send({ type: 'renew', ticket: await this.#ticket(), ref: 'renew' });
  }

  /**
   * @template T
   * @param {(token: string) => Promise<T>} call
   * @returns {Promise<T>}
   */
  async #withToken(call) {
    const token = await this.#getToken();
    try {
      if (!token) throw new ChorusError('unauthorized', 'Nobody is signed in.', { status: 401 });
      return await call(token);
    } catch (cause) {
      const { status, code } = ChorusError.from(cause);
      const another = status === 401 && code !== 'invalid_credentials' ? await this.#another(token) : null;
      if (!another) throw cause;
      return call(another);
    }
  }

  /** A token in place of one that was refused. @param {string | null} refused @returns {Promise<string | null>} */
  async #another(refused) {
    // Another tab may have renewed the token that both share while this one was asking.
    const newer = await this.#getToken();
    if (newer && newer !== refused) return newer;
    if (!this.#active) return null;
    const session = await this.#remembered.take(refused, (found) => this.#keepOwn(found));
    return session?.token ?? null;
  }

  /** Keeps the sign-in that is remembered if it is this person's, who is still here. @param {Session} session */
  #keepOwn(session) {
    const own = this.#active && session.username === this.#username;
    if (own) this.#keep(session);
    return own;
  }

  /** @param {string} token @param {string} username */
  async #logOut(token, username) {
    try {
      await this.#api.logout(token);
    } catch (cause) {
      // The token has expired, but by the cookie the sign-in would live on.
      const expired = ChorusError.from(cause).status === 401;
      const session = expired ? await this.#remembered.take(token, (found) => found.username === username) : null;
      if (!session) throw cause;
      await this.#api.logout(session.token);
    }
  }

  /** @param {Session} session */
  #keep(session) {
    this.#token = session.token;
    this.#onSession(session);
  }

  #storagePrefix() {
    return `chorus:outbox:${this.#url}:${this.#username}:`;
  }
}
