/**
 * Keeps a sign-in from running out under somebody who stays: three quarters into a token's life it
 * fetches the next token and shows the socket a fresh ticket of it. Failures are tried again with
 * backoff; there is a quarter of the life left for that.
 *
 * Expiries are the server's time and this machine's clock may be wrong by hours, so the difference
 * is measured first.
 */
import { backoff } from './backoff.js';
import { ChorusError } from './error.js';

/**
 * @typedef {object} RenewalHandlers
 * @property {() => Promise<number>} serverTime Unix milliseconds
 * @property {() => Promise<string>} renewToken fetches and keeps the next token; answers its expiry
 * @property {() => Promise<void>} renewSocket shows the socket a ticket; nothing to do when it is down
 * @property {(code: string) => void} ended the sign-in is no more
 */

/** Never more often than this, however short a token lives. */
const SHORTEST_MS = 1_000;

/** When a token just given looks expired, a clock is wrong that could not be measured: don't hammer. */
const CLOCKLESS_MS = 60_000;

/** Clocks drift slowly; jump they do when a machine wakes or is corrected. */
const MEASURE_AGAIN_MS = 3_600_000;

export class Renewal {
  #clock;
  #random;
  #handlers;
  /** @type {unknown} */
  #timer = null;
  #era = 0;
  #failures = 0;
  #renewed = false;
  /** What to add to this machine's time to get the server's. @type {number} */
  #offsetMs = 0;
  /** @type {number | null} */
  #measuredAt = null;

  /** @param {import('./clock.js').Clock} clock @param {() => number} random @param {RenewalHandlers} handlers */
  constructor(clock, random, handlers) {
    this.#clock = clock;
    this.#random = random;
    this.#handlers = handlers;
  }

  /** @param {string} expiresAt RFC 3339, of the socket or the token, whichever ends first */
  async schedule(expiresAt) {
    const era = this.#restart();
    const expiry = Date.parse(expiresAt);
    if (Number.isNaN(expiry)) return;
    await this.#measure();
    if (era !== this.#era) return;
    const left = expiry - (this.#clock.wall() + this.#offsetMs);
    // A little apart, so that all who signed in after one restart do not renew in one moment.
    const wait = left * (0.7 + 0.1 * this.#random());
    this.#runIn(left > 0 ? Math.max(SHORTEST_MS, wait) : this.#renewed ? CLOCKLESS_MS : SHORTEST_MS, era);
  }

  /** The next token or the socket's prolongation was refused. @param {ChorusError} error */
  failed(error) {
    if (error.status === 401) return this.#handlers.ended(error.code);
    const era = this.#restart();
    const wait = (error.retryAfterMs ?? SHORTEST_MS) + backoff(this.#failures, this.#random);
    this.#failures += 1;
    this.#runIn(wait, era);
  }

  stop() {
    this.#restart();
    this.#failures = 0;
    this.#renewed = false;
  }

  async #measure() {
    const now = this.#clock.now();
    if (this.#measuredAt !== null && now - this.#measuredAt < MEASURE_AGAIN_MS) return;
    const asked = this.#clock.wall();
    try {
      const server = await this.#handlers.serverTime();
      this.#offsetMs = server - (asked + this.#clock.wall()) / 2;
      this.#measuredAt = now;
    } catch {
      // Without an answer the own clock has to do.
    }
  }

  /** @param {number} era */
  async #run(era) {
    try {
      const expiresAt = await this.#handlers.renewToken();
      if (era !== this.#era) return;
      await this.#handlers.renewSocket();
      // Holds when the socket is down or its answer is lost; `renewed` schedules anew otherwise.
      if (era !== this.#era) return;
      this.#renewed = true;
      this.#failures = 0;
      await this.schedule(expiresAt);
    } catch (cause) {
      if (era === this.#era) this.failed(ChorusError.from(cause));
    }
  }

  /** @param {number} ms @param {number} era */
  #runIn(ms, era) {
    this.#timer = this.#clock.setTimeout(() => void this.#run(era), ms);
  }

  #restart() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.#era += 1;
    return this.#era;
  }
}
