/**
 * One WebSocket from its ticket to its end. It is handed frames and hands frames on; what to do when
 * it ends is not its matter. After `drop()` it says nothing more, whatever the network still brings.
 */
import { parseFrame, SUBPROTOCOL } from './protocol.js';

/** @typedef {typeof globalThis.WebSocket} SocketClass a browser's; Node's own and `ws` fit too */
/** @typedef {import('./protocol.js').ServerFrame} ServerFrame */
/** @typedef {import('./protocol.js').WelcomeFrame} WelcomeFrame */
/** @typedef {import('./protocol.js').ClientFrame} ClientFrame */

const OPEN = 1;

/** From `new WebSocket` to `welcome`; a network that swallows packets answers neither yes nor no. */
const WELCOME_MS = 10_000;

export class Connection {
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
