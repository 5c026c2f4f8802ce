/**
 * The sign-in that this browser remembers by a cookie: taken up when there is no token that does.
 *
 * The cookie changes at each use, and one that is long outdated counts as stolen and ends the sign-in.
 * So of all tabs one asks at a time, where the browser can see to that, else one call of each tab;
 * whoever waited takes the token that was fetched meanwhile.
 */
import { ChorusError } from './error.js';

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
