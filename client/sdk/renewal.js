/**
 * How a sign-in goes on: renewed while somebody stays, and taken up again by the cookie of a browser that
 * remembers it.
 */
import { backoff } from './clock.js';
import { ChorusError } from './protocol.js';

/**
 * @typedef {object} RenewalHandlers
 * @property {() => Promise<number>} serverTime Unix milliseconds
 * @property {(aheadMs: number) => void} measured the server's clock
 * @property {() => Promise<string>} renewToken fetches and keeps the next token; answers its expiry
 * @property {() => Promise<void>} renewSocket shows the socket a ticket; nothing to do when it is down
 * @property {(code: string) => void} ended the sign-in is no more
 */

/** Never more often than this, however short a token lives. */
const SHORTEST_MS = 1_000;

/** When a token just given looks expired, a clock is wrong that could not be measured: don't hammer. */
const CLOCKLESS_MS = 60_000;

/** Beyond this a system's timer runs at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Clocks drift slowly; jump they do when a machine wakes or is corrected. */
const MEASURE_AGAIN_MS = 3_600_000;

/**
 * Keeps a sign-in from running out under somebody who stays: three quarters into a token's life it
 * fetches the next token and shows the socket a fresh ticket of it. Failures are tried again with
 * backoff; there is a quarter of the life left for that.
 *
 * Expiries are the server's time and this machine's clock may be wrong by hours, so the difference
 * is measured first.
 */
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
    const wait = Math.min(LONGEST_MS, left * (0.7 + 0.1 * this.#random()));
    this.#runIn(left > 0 ? Math.max(SHORTEST_MS, wait) : this.#renewed ? CLOCKLESS_MS : SHORTEST_MS, era);
  }

  /** The next token or the socket's prolongation was refused. @param {ChorusError} error */
  failed(error) {
    if (error.status === 401) return this.#handlers.ended(error.code);
    // The token of a bot is as long good as its operator said.
    if (error.code === 'forbidden') return this.stop();
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
      this.#handlers.measured(this.#offsetMs);
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

/** @typedef {import('./api.js').Session} Session */
/**
 * @typedef {object} Page the page that this runs in
 * @property {string} origin
 * @property {LockManager} [locks] a browser's `navigator.locks`; missing on pages without TLS
 */
/**
 * @typedef {object} Needs
 * @property {import('./api.js').Api} api
 * @property {import('./clock.js').Clock} clock
 * @property {() => string | null | Promise<string | null>} getToken
 */

const LOCK = 'chorus:refresh';

/** How long other tabs are waited for. */
const WAIT_MS = 20_000;

/** A cookie lasts for days after its last use. Who stays for weeks uses it now and then. */
const USE_AFTER_MS = 86_400_000;

/**
 * The sign-in that this browser remembers by a cookie: taken up when there is no token that does.
 *
 * The cookie changes at each use, and one that is long outdated counts as stolen and ends the sign-in.
 * So of all tabs one asks at a time, where the browser can see to that, else one call of each tab;
 * whoever waited takes the token that was fetched meanwhile.
 */
export class Remembered {
  #needs;
  #locks;
  /** The last call of this tab, where there are no locks. @type {Promise<unknown>} */
  #last = Promise.resolve();
  /** @type {number | null} */
  #askedAt = null;

  /**
   * @param {boolean} offered whether the server is the page's own: else a browser keeps no cookie of it
   * @param {LockManager | undefined} locks
   * @param {Needs} needs
   */
  constructor(offered, locks, needs) {
    this.offered = offered;
    this.#locks = locks;
    this.#needs = needs;
  }

  /** So long unused that it should be, before it expires. */
  get isDue() {
    return this.offered && (this.#askedAt === null || this.#needs.clock.now() - this.#askedAt > USE_AFTER_MS);
  }

  /** A cookie was given just now. */
  given() {
    this.#askedAt = this.#needs.clock.now();
  }

  /**
   * Who is remembered, with a new token; or with one that another tab has got since `refused` was.
   * @param {string | null} refused the token that does not do
   * @param {(session: Session) => boolean} accept whether it is taken; keeps it where the tabs that wait will look for it
   * @returns {Promise<Session | null>} null: nobody. Rejects when that can't be found out now
   */
  async take(refused, accept) {
    if (!this.offered) return null;
    return this.#alone(async () => {
      const session = await this.#find(refused);
      return session && accept(session) ? session : null;
    });
  }

  /** @param {string | null} refused @returns {Promise<Session | null>} */
  async #find(refused) {
    const { api, getToken } = this.#needs;
    const newer = await getToken();
    try {
      if (newer && newer !== refused) return await api.me(newer);
    } catch (cause) {
      if (ChorusError.from(cause).status !== 401) throw cause;
    }
    try {
      const session = await api.refreshByCookie();
      this.given();
      return session;
    } catch (cause) {
      const { status } = ChorusError.from(cause);
      if (status !== 401 && status !== 403) throw cause;
      this.given(); // Nothing to ask for again soon.
      return null;
    }
  }

  /** @param {() => Promise<Session | null>} ask @returns {Promise<Session | null>} */
  async #alone(ask) {
    if (!this.#locks) {
      const turn = this.#last.then(ask);
      this.#last = turn.catch(() => {});
      return turn;
    }
    const { clock } = this.#needs;
    const abort = new AbortController();
    const timer = clock.setTimeout(() => abort.abort(), WAIT_MS);
    try {
      return await this.#locks.request(LOCK, { signal: abort.signal }, () => {
        clock.clearTimeout(timer);
        return ask();
      });
    } catch (cause) {
      if (abort.signal.aborted) throw new ChorusError('timeout', 'Another tab is at the sign-in for too long.', { cause });
      throw cause;
    } finally {
      clock.clearTimeout(timer);
    }
  }
}
