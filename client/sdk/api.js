/**
 * The HTTP side of the protocol. Every call answers with parsed fields or throws a `ChorusError`
 * with the code of the server's error body; a call that gets no answer in 10 s is `timeout`.
 */
import { ChorusError, isObject, Malformed, parseLimits, parseMessage } from './protocol.js';

/**
 * @typedef {import('./protocol.js').Message} Message
 * @typedef {import('./protocol.js').Limits} Limits
 * @typedef {import('./protocol.js').Fields} Fields
 * @typedef {{token: string, username: string, expiresAt: string}} Session
 * @typedef {{name: string, version: string, registration: 'open' | 'closed', demoAccounts: boolean, limits: Limits}} ServerInfo
 * @typedef {{room: string, messages: Message[], lastSeq: number, hasMore: boolean}} HistoryPage
 * @typedef {{before?: number, after?: number, limit?: number}} HistoryRange at most one of before and after
 * @typedef {{room: string, userCount: number, lastSeq: number, lastTimestamp: string | null}} RoomInfo
 * @typedef {{rooms: RoomInfo[], next: string | null}} RoomsPage by name; `next` goes into `after`
 * @typedef {{users: string[], userCount: number, next: string | null}} PeoplePage by name
 * @typedef {{after?: string, limit?: number}} NameRange the names right after this one, at most `limit` (200)
 */

const TIMEOUT_MS = 10_000;

export class Api {
  #base;
  #fetch;
  #clock;
  /** Something was answered that could be read: this page may use the server. */
  #answered = false;

  /**
   * @param {object} options
   * @param {string} options.url origin of the server, without a slash at its end
   * @param {typeof globalThis.fetch} options.fetch
   * @param {import('./clock.js').Clock} options.clock
   */
  constructor({ url, fetch, clock }) {
    this.#base = url;
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /** @returns {Promise<ServerInfo>} */
  async server() {
    const body = await this.#call('GET', '/server');
    return {
      name: text(body, 'name', 'Chorus'),
      version: text(body, 'version', ''),
      registration: body['registration'] === 'closed' ? 'closed' : 'open',
      demoAccounts: body['demoAccounts'] === true,
      limits: parseLimits(body['limits']),
    };
  }

  /** The server's clock, Unix milliseconds, read from the one public answer that carries it. */
  async serverTime() {
    const body = await this.#call('GET', '/health');
    const time = Date.parse(text(body, 'timeStamp', ''));
    if (Number.isNaN(time)) throw badAnswer();
    return time;
  }

  /** @param {string} username @param {string} password */
  async register(username, password) {
    await this.#call('POST', '/register', { body: { username, password } });
  }

  /** @param {string} username @param {string} password @param {boolean} remember by a cookie @returns {Promise<Session>} */
  async login(username, password, remember) {
    return session(await this.#call('POST', '/login', { body: { username, password, ...(remember ? { remember } : {}) } }));
  }

  /** @param {string} token */
  async logout(token) {
    await this.#call('POST', '/logout', { token, body: { token } });
  }

  /** A new token of the same sign-in. @param {string} token @returns {Promise<Session>} */
  async refresh(token) {
    return session(await this.#call('POST', '/refresh', { token, body: {} }));
  }

  /** The same, by the cookie of a browser that was to remember. @returns {Promise<Session>} */
  async refreshByCookie() {
    return session(await this.#call('POST', '/refresh'));
  }

  /** Whose a token is. @param {string} token @returns {Promise<Session>} */
  async me(token) {
    return session({ ...(await this.#call('GET', '/me', { token })), token });
  }

  /** A new password, and a new token of this sign-in; all others of the account end. @param {string} token @param {string} current @param {string} next @returns {Promise<Session>} */
  async password(token, current, next) {
    return session(await this.#call('POST', '/password', { token, body: { current, new: next } }));
  }

  /** A credential for one WebSocket, good for seconds. @param {string} token */
  async ticket(token) {
    const ticket = text(await this.#call('POST', '/ws-ticket', { token, body: {} }), 'ticket', '');
    if (!ticket) throw badAnswer();
    return ticket;
  }

  /**
   * @param {string} token
   * @param {string} room
   * @param {HistoryRange} range
   * @returns {Promise<HistoryPage>}
   */
  async messages(token, room, range) {
    return historyPage(room, await this.#call('GET', `/rooms/${encodeURIComponent(room)}/messages${query(range)}`, { token }));
  }

  /** @param {string} token @param {NameRange} range @returns {Promise<RoomsPage>} */
  async rooms(token, range) {
    return roomsPage(await this.#call('GET', `/rooms${query(range)}`, { token }));
  }

  /** @param {string} token @param {string} room */
  async createRoom(token, room) {
    await this.#call('POST', '/rooms', { token, body: { room } });
  }

  /** @param {string} token @param {string} room @param {NameRange} range @returns {Promise<PeoplePage>} */
  async people(token, room, range) {
    return peoplePage(await this.#call('GET', `/rooms/${encodeURIComponent(room)}/users${query(range)}`, { token }));
  }

  /**
   * @param {'GET' | 'POST'} method
   * @param {string} path
   * @param {{token?: string, body?: object}} [options]
   * @returns {Promise<Fields>}
   */
  async #call(method, path, { token, body } = {}) {
    const abort = new AbortController();
    const timer = this.#clock.setTimeout(() => abort.abort(), TIMEOUT_MS);
    /** @type {{[name: string]: string}} */
    const headers = {};
    if (token) headers['Authorization'] = `Bearer ${token}`;
    if (body) headers['Content-Type'] = 'application/json';
    try {
      const response = await this.#fetch(this.#base + path, {
        method,
        headers,
        signal: abort.signal,
        cache: 'no-store',
        // Cookies come and go with the server's own page alone.
        credentials: 'same-origin',
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      this.#answered = true;
      return await answer(response);
    } catch (cause) {
      const forbidden = !this.#answered && !abort.signal.aborted && (await this.#forbidden(abort.signal));
      if (abort.signal.aborted) throw new ChorusError('timeout', 'The server did not answer in time.', { cause });
      if (forbidden) throw new ChorusError('forbidden_origin', 'The server does not allow pages from here. Its ALLOWED_ORIGINS must name the origin of this page.', { cause });
      throw ChorusError.from(cause);
    } finally {
      this.#clock.clearTimeout(timer);
    }
  }

  /**
   * Whether it is the browser that keeps the answers from this page. A server that is not there and
   * one that does not name this origin fail alike; but the second one answers when nobody wants to
   * read it, and when somebody does, right after that, it fails again.
   * @param {AbortSignal} signal
   */
  async #forbidden(signal) {
    const ask = (/** @type {RequestMode} */ mode) => this.#fetch(`${this.#base}/health`, { mode, cache: 'no-store', signal });
    try {
      const { type } = await ask('no-cors');
      if (type !== 'opaque') return false;
    } catch {
      return false;
    }
    return ask('cors').then(() => false, () => true);
  }
}

/** @param {Response} response @returns {Promise<Fields>} */
async function answer(response) {
  /** @type {unknown} */
  const body = await response.json().catch(() => null);
  const fields = isObject(body) ? body : {};
  if (response.ok) {
    if (!isObject(body)) throw badAnswer();
    return fields;
  }
  throw new ChorusError(
    text(fields, 'code', codeOfStatus(response.status)),
    text(fields, 'message', 'The server refused the request.'),
    { status: response.status, retryAfterMs: retryAfterMs(response.headers.get('Retry-After')) },
  );
}

/** For answers that are not Chorus's own: a proxy's page, a limit's plain text. @param {number} status */
function codeOfStatus(status) {
  if (status === 401) return 'unauthorized';
  if (status === 404) return 'not_found';
  if (status === 429) return 'rate_limited';
  return status >= 500 ? 'unavailable' : 'invalid_request';
}

/** @param {string | null} header whole seconds @returns {number | null} */
function retryAfterMs(header) {
  const seconds = Number(header);
  return header !== null && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
}

/** @param {Fields} body @returns {Session} */
function session(body) {
  const token = text(body, 'token', '');
  if (!token) throw badAnswer();
  return { token, username: text(body, 'username', ''), expiresAt: text(body, 'expiresAt', '') };
}

/** @param {string} room @param {Fields} body @returns {HistoryPage} */
function historyPage(room, body) {
  try {
    const messages = Array.isArray(body['messages']) ? body['messages'].map(parseMessage) : [];
    const lastSeq = typeof body['lastSeq'] === 'number' ? body['lastSeq'] : 0;
    return { room, messages, lastSeq, hasMore: body['hasMore'] === true };
  } catch (cause) {
    throw cause instanceof Malformed ? badAnswer() : cause;
  }
}


/** @param {Fields} body @returns {RoomsPage} */
function roomsPage(body) {
  const rooms = Array.isArray(body['rooms']) ? body['rooms'].filter(isObject) : [];
  return { rooms: rooms.map(roomInfo), next: nextOf(body) };
}

/** @param {Fields} fields @returns {RoomInfo} */
function roomInfo(fields) {
  const count = (/** @type {string} */ key) => (typeof fields[key] === 'number' ? fields[key] : 0);
  const at = fields['lastTimestamp'];
  return { room: text(fields, 'room', ''), userCount: count('userCount'), lastSeq: count('lastSeq'), lastTimestamp: typeof at === 'string' ? at : null };
}

/** @param {Fields} body @returns {PeoplePage} */
function peoplePage(body) {
  const users = Array.isArray(body['users']) ? body['users'].filter((name) => typeof name === 'string') : [];
  return { users, userCount: typeof body['userCount'] === 'number' ? body['userCount'] : users.length, next: nextOf(body) };
}

/** @param {Fields} body */
function nextOf(body) {
  return typeof body['next'] === 'string' ? body['next'] : null;
}

/** @param {HistoryRange | NameRange} range */
function query(range) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(range)) given.set(name, String(value));
  return given.size > 0 ? `?${given}` : '';
}

/** @param {Fields} fields @param {string} key @param {string} otherwise */
function text(fields, key, otherwise) {
  const value = fields[key];
  return typeof value === 'string' ? value : otherwise;
}

function badAnswer() {
  return new ChorusError('bad_answer', 'This does not look like a Chorus server.');
}
