/**
 * Keeps one connection up as long as somebody is signed in: ticket, socket, and after a loss the
 * next one, with full-jitter backoff. Only a sign-in that ended (4001, or 401 for a ticket) stops it;
 * where a sign-in may return after its tokens expired, 4001 is a loss, and the next ticket decides.
 *
 * A node that drains announces it (`reconnect`). Then the next connection is opened while the old
 * one still delivers, and the old one is dropped when the new one is welcomed; resuming by position
 * makes the overlap invisible.
 */
import { backoff } from './clock.js';
import { ChorusError, parseFrame, SIGNED_OUT, SUBPROTOCOL } from './protocol.js';

/**
 * @typedef {object} Status
 * @property {'stopped' | 'connecting' | 'connected' | 'waiting' | 'offline' | 'signed_out'} state
 *   waiting: for the next attempt; offline: the same, and the system says that there is no network
 * @property {number | null} retryInMs
 * @property {string | null} reason an error code, or `closed_1013` and the like
 */
/**
 * @typedef {object} Handlers
 * @property {(status: Status) => void} status
 * @property {(frame: import('./protocol.js').WelcomeFrame) => void} welcome
 * @property {(frame: import('./protocol.js').ServerFrame) => void} frame
 * @property {() => void} lost the connection that was welcomed is no more
 * @property {() => void} probe send something that must be answered
 */

/** A connection that lived this long was a good one: the next loss starts at the shortest wait. */
const STABLE_MS = 10_000;

/** How long a probe may stay unanswered. Short: somebody is looking at the page right now. */
const PROBE_MS = 5_000;

export class LiveSocket {
  #options;
  #handlers;
  /** Raised whenever an attempt in progress must not count any more. */
  #era = 0;
  #wanted = false;
  #offline = false;
  #attempt = 0;
  /** @type {Connection | null} */
  #current = null;
  /** On its way to a welcome. @type {Connection | null} */
  #next = null;
  /** Asking for the ticket of the next one. */
  #asking = false;
  /** The one wait: for the next attempt. @type {unknown} */
  #timer = null;
  /** @type {unknown} */
  #stable = null;
  /** When the draining node asked to be left. @type {number | null} */
  #leaveAt = null;
  /** @type {Status} */
  #status = { state: 'stopped', retryInMs: null, reason: null };

  /**
   * @param {object} options
   * @param {string} options.url origin of the sockets, `ws://host`
   * @param {() => Promise<string>} options.ticket
   * @param {boolean} options.returns whether a sign-in may return after 4001
   * @param {SocketClass} options.WebSocket
   * @param {import('./clock.js').Clock} options.clock
   * @param {() => number} options.random
   * @param {Handlers} handlers
   */
  constructor(options, handlers) {
    this.#options = options;
    this.#handlers = handlers;
  }

  /** Frames can be sent. */
  get connected() {
    return this.#current !== null;
  }

  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempt = 0;
    this.#open();
  }

  stop() {
    this.#end({ state: 'stopped', retryInMs: null, reason: null });
  }

  /** Don't wait any longer for the next attempt. */
  now() {
    if (this.#wanted && !this.#current && this.#timer) this.#open();
  }

  /** The system says there is a network again; or a sleeping tab woke up. */
  online() {
    this.#offline = false;
    if (this.#current) this.#probe();
    else this.now();
  }

  /** A hint only: a server on this very machine is reached without any network. */
  offline() {
    this.#offline = true;
    if (this.#current) this.#probe();
    else if (this.#status.state === 'waiting') this.#say({ ...this.#status, state: 'offline' });
  }

  /** @param {import('./protocol.js').ClientFrame} frame */
  send(frame) {
    return this.#current?.send(frame) ?? false;
  }

  /** @param {number} ms see `Connection.expectFrame` */
  expectFrame(ms) {
    this.#current?.expectFrame(ms);
  }

  /** What this connection delivers cannot be relied on: leave it and resume on another. @param {string} reason */
  restart(reason) {
    if (!this.#current) return;
    this.#current.drop();
    this.#lost(reason);
  }

  /** The sign-in is over, as somebody else found out. @param {string} reason */
  signedOut(reason) {
    if (this.#wanted) this.#end({ state: 'signed_out', retryInMs: null, reason });
  }

  #probe() {
    this.#handlers.probe();
    this.#current?.expectFrame(PROBE_MS);
  }

  async #open() {
    this.#clearTimer();
    const era = ++this.#era;
    this.#asking = true;
    if (!this.#current) this.#say({ state: 'connecting', retryInMs: null, reason: this.#status.reason });
    let ticket;
    try {
      ticket = await this.#options.ticket();
    } catch (cause) {
      if (era !== this.#era) return;
      this.#asking = false;
      return this.#refused(ChorusError.from(cause));
    }
    if (era !== this.#era) return;
    this.#asking = false;
    this.#connect(ticket);
  }

  /** @param {string} ticket */
  #connect(ticket) {
    const { url, WebSocket, clock } = this.#options;
    const connection = new Connection({
      url: `${url}/ws?ticket=${encodeURIComponent(ticket)}`,
      WebSocket,
      clock,
      handlers: {
        welcome: (frame) => this.#welcomed(connection, frame),
        frame: (frame) => this.#received(frame),
        closed: (code) => this.#closed(connection, code),
      },
    });
    this.#next = connection;
  }

  /** No ticket. @param {ChorusError} error */
  #refused(error) {
    if (error.status === 401) return this.signedOut(error.code);
    this.#retry(error.retryAfterMs ?? 0, error.code);
  }

  /** @param {Connection} connection @param {import('./protocol.js').WelcomeFrame} frame */
  #welcomed(connection, frame) {
    const old = this.#current;
    this.#current = connection;
    this.#next = null;
    this.#leaveAt = null;
    if (old) {
      old.drop();
      this.#handlers.lost();
    }
    const { clock } = this.#options;
    clock.clearTimeout(this.#stable);
    this.#stable = clock.setTimeout(() => (this.#attempt = 0), STABLE_MS);
    this.#say({ state: 'connected', retryInMs: null, reason: null });
    this.#handlers.welcome(frame);
  }

  /** @param {import('./protocol.js').ServerFrame} frame */
  #received(frame) {
    if (frame.type !== 'reconnect') return this.#handlers.frame(frame);
    if (this.#leaveAt !== null) return;
    this.#leaveAt = this.#options.clock.now() + frame.afterMs;
    this.#openIn(frame.afterMs);
  }

  /** @param {Connection} connection @param {number} code */
  #closed(connection, code) {
    if (code === SIGNED_OUT) {
      if (!this.#options.returns) return this.signedOut('session_ended');
      // Nothing is wrong with the server: the answer is at hand, however long it was away before.
      this.#attempt = Math.min(this.#attempt, 1);
    }
    const reason = code === 0 ? 'timeout' : `closed_${code}`;
    if (connection === this.#next) {
      this.#next = null;
      return this.#retry(0, reason);
    }
    this.#lost(reason);
  }

  /** The connection that delivered is gone. @param {string} reason */
  #lost(reason) {
    this.#current = null;
    this.#options.clock.clearTimeout(this.#stable);
    this.#handlers.lost();
    if (this.#next || this.#asking) return this.#say({ state: 'connecting', retryInMs: null, reason });
    const early = this.#leaveAt === null ? 0 : this.#leaveAt - this.#options.clock.now();
    this.#leaveAt = null;
    this.#retry(early, reason);
  }

  /** @param {number} atLeastMs what the server asked for @param {string} reason */
  #retry(atLeastMs, reason) {
    const ms = Math.max(0, atLeastMs) + backoff(this.#attempt, this.#options.random);
    this.#attempt += 1;
    this.#openIn(ms);
    if (!this.#current) this.#say({ state: this.#offline ? 'offline' : 'waiting', retryInMs: ms, reason });
  }

  /** @param {number} ms */
  #openIn(ms) {
    this.#clearTimer();
    this.#timer = this.#options.clock.setTimeout(() => this.#open(), ms);
  }

  #clearTimer() {
    this.#options.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** @param {Status} status */
  #end(status) {
    const wasUp = this.#current !== null;
    this.#wanted = false;
    this.#era += 1;
    this.#clearTimer();
    this.#options.clock.clearTimeout(this.#stable);
    this.#next?.drop();
    this.#current?.drop();
    this.#next = null;
    this.#asking = false;
    this.#current = null;
    this.#leaveAt = null;
    if (wasUp) this.#handlers.lost();
    this.#say(status);
  }

  /** @param {Status} status */
  #say(status) {
    this.#status = status;
    this.#handlers.status(status);
  }
}

/** @typedef {typeof globalThis.WebSocket} SocketClass a browser's; Node's own and `ws` fit too */
/** @typedef {import('./protocol.js').ServerFrame} ServerFrame */
/** @typedef {import('./protocol.js').WelcomeFrame} WelcomeFrame */
/** @typedef {import('./protocol.js').ClientFrame} ClientFrame */

const OPEN = 1;

/** From `new WebSocket` to `welcome`; a network that swallows packets answers neither yes nor no. */
const WELCOME_MS = 10_000;

/**
 * One WebSocket from its ticket to its end. It is handed frames and hands frames on; what to do when
 * it ends is not its matter. After `drop()` it says nothing more, whatever the network still brings.
 */
class Connection {
  #socket;
  #clock;
  #handlers;
  #welcomed = false;
  /** @type {unknown} */
  #deadline = null;

  /**
   * @param {object} options
   * @param {string} options.url `ws://host/ws?ticket=…`
   * @param {SocketClass} options.WebSocket
   * @param {import('./clock.js').Clock} options.clock
   * @param {object} options.handlers
   * @param {(frame: WelcomeFrame) => void} options.handlers.welcome
   * @param {(frame: ServerFrame) => void} options.handlers.frame
   * @param {(code: number) => void} options.handlers.closed 0: silent for too long
   */
  constructor({ url, WebSocket, clock, handlers }) {
    this.#clock = clock;
    this.#handlers = handlers;
    this.#socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket.onmessage = (event) => this.#received(event.data);
    this.#socket.onclose = (event) => this.#closed(event.code);
    this.#socket.onerror = () => {}; // always followed by a close, which says more
    this.expectFrame(WELCOME_MS);
  }

  /** @param {ClientFrame} frame @returns {boolean} false: not open; nothing was sent */
  send(frame) {
    if (!this.#welcomed || this.#socket.readyState !== OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /**
   * Something was asked that must be answered: if no frame at all comes in time, nobody is there.
   * @param {number} ms
   */
  expectFrame(ms) {
    this.#deadline ??= this.#clock.setTimeout(() => this.#closed(0), ms);
  }

  drop() {
    this.#clock.clearTimeout(this.#deadline);
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    try {
      this.#socket.close(1000);
    } catch {
      // Already closing.
    }
  }

  /** @param {unknown} data */
  #received(data) {
    this.#clock.clearTimeout(this.#deadline);
    this.#deadline = null;
    const frame = typeof data === 'string' ? parseFrame(data) : null;
    if (!this.#welcomed) {
      // Anything else before the welcome is no server of this dialect.
      if (frame?.type !== 'welcome') return this.#closed(1002);
      this.#welcomed = true;
      return this.#handlers.welcome(frame);
    }
    if (frame) this.#handlers.frame(frame);
  }

  /** @param {number} code */
  #closed(code) {
    this.drop();
    this.#handlers.closed(code);
  }
}
