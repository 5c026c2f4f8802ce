// A world for the sdk without network and without waiting: a clock that is moved by hand, sockets whose
// other end is the test, and an HTTP server that is a function.
import { Chorus } from '../../client/sdk/chorus.js';
import { DEFAULT_LIMITS, parseFrame } from '../../client/sdk/protocol.js';

/** Lets everything that needs no time happen. */
export async function settle() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export class HandClock {
  #timers = new Map();
  #last = 0;
  time = 0;
  /** How wrong this machine's wall clock is. */
  skew = 0;

  now = () => this.time;
  wall = () => 1_767_225_600_000 + this.time + this.skew;
  setTimeout = (run, ms) => {
    this.#last += 1;
    this.#timers.set(this.#last, { at: this.time + Math.max(0, ms), run });
    return this.#last;
  };
  clearTimeout = (timer) => this.#timers.delete(timer);

  /** The true time, as the server has it. */
  serverTime() {
    return this.wall() - this.skew;
  }

  async advance(ms) {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const [next] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next[0]);
      this.time = Math.max(this.time, next[1].at);
      next[1].run();
    }
    this.time = end;
    await settle();
  }
}

export class HandStorage {
  #items = new Map();
  get length() {
    return this.#items.size;
  }
  key = (index) => [...this.#items.keys()][index] ?? null;
  getItem = (key) => this.#items.get(key) ?? null;
  setItem = (key, value) => void this.#items.set(key, value);
  removeItem = (key) => void this.#items.delete(key);
}

export const at = (seq) => new Date(1_767_225_600_000 + seq * 1000).toISOString();
export const line = (seq, { username = 'bob', id = `${username}-${seq}`, message = `message ${seq}` } = {}) => ({ seq, id, username, message, timestamp: at(seq) });
export const lines = (from, to, options) => Array.from({ length: to - from + 1 }, (_, index) => line(from + index, options));

/** The other end of one socket. */
class HandSocket {
  readyState = 0;
  onmessage = null;
  onclose = null;
  onerror = null;
  sent = [];
  closedByClient = false;

  constructor(world, url, protocols) {
    this.world = world;
    this.url = url;
    this.protocols = protocols;
    world.sockets.push(this);
  }
  send(data) {
    this.sent.push(JSON.parse(data));
  }
  close() {
    this.closedByClient = true;
    this.readyState = 3;
  }

  welcome({ username = 'alice', expiresAt = new Date(this.world.clock.serverTime() + 3_600_000).toISOString(), limits = {} } = {}) {
    this.readyState = 1;
    this.receive({ type: 'welcome', protocol: 'chorus.v1', username, build: 'test', limits: { ...DEFAULT_LIMITS, ...limits }, expiresAt });
  }
  receive(frame) {
    if (frame.type !== 'nonsense' && parseFrame(JSON.stringify(frame)) === null) throw new Error(`The test sends a bad frame: ${JSON.stringify(frame)}`);
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  joined(messages, more = {}) {
    const seq = messages.at(-1)?.seq ?? 0;
    const reason = more.recovered ? {} : { reason: 'fresh' };
    this.receive({ type: 'joined', room: 'lobby', seq, recovered: false, ...reason, hasMore: false, messages, users: ['alice', 'bob'], userCount: 2, version: 7, ...more });
  }
  message(seq, options) {
    this.receive({ type: 'message', room: 'lobby', ...line(seq, options) });
  }
  ack(id, seq, more = {}) {
    this.receive({ type: 'ack', room: 'lobby', id, seq, timestamp: at(seq), ...more });
  }
  error(code, more = {}) {
    this.receive({ type: 'error', code, message: 'No.', id: null, retryAfterMs: null, ...more });
  }
  end(code) {
    this.readyState = 3;
    this.onclose?.({ code, reason: '' });
  }
  frames(type) {
    return this.sent.filter((frame) => frame.type === type);
  }
}

export class World {
  clock = new HandClock();
  storage = new HandStorage();
  sockets = [];
  calls = [];
  token = 'token-1';
  sessions = [];
  /** Answers of the HTTP server by "METHOD /path"; a number is a status with an error body. */
  answers = {
    'POST /ws-ticket': () => ({ ticket: `ticket-${this.calls.length}`, expiresIn: 10 }),
    'GET /health': () => ({ status: 'ok', timeStamp: new Date(this.clock.serverTime()).toISOString() }),
    'POST /refresh': () => ({ token: `token-${this.sessions.length + 2}`, username: 'alice', expiresAt: new Date(this.clock.serverTime() + 3_600_000).toISOString() }),
  };

  fetch = async (url, { method, headers, body, signal, credentials }) => {
    const { pathname, searchParams } = new URL(url);
    this.calls.push({ call: `${method} ${pathname}`, query: Object.fromEntries(searchParams), headers, body: body && JSON.parse(body), credentials });
    const answer = await this.answers[`${method} ${pathname}`]?.({ signal, query: Object.fromEntries(searchParams), headers, body: body && JSON.parse(body), credentials });
    if (answer === undefined) throw new TypeError('fetch failed');
    if (answer instanceof Response) return answer;
    return Response.json(answer);
  };

  called(call) {
    return this.calls.filter((made) => made.call === call);
  }

  /** A client with every event it ever told, by type. `random`: 0.5 unless told, so a first backoff is 250 ms. */
  chorus({ random = () => 0.5, ...options } = {}) {
    const world = this;
    const chorus = new Chorus({
      url: 'http://server.test',
      getToken: () => this.token,
      onSession: (session) => {
        this.sessions.push(session);
        this.token = session.token;
      },
      storage: this.storage,
      fetch: this.fetch,
      WebSocket: class extends HandSocket {
        constructor(url, protocols) {
          super(world, url, protocols);
        }
      },
      clock: this.clock,
      random,
      ...options,
    });
    const heard = {};
    for (const type of ['status', 'welcome', 'history', 'message', 'people', 'typing', 'announcement', 'waiting', 'sent', 'refused', 'paced', 'clock', 'closed', 'error']) {
      heard[type] = [];
      chorus.on(type, (event) => heard[type].push(event));
    }
    return { chorus, heard };
  }

  /** A client that is in the lobby, where `messages` were said so far. */
  async inLobby(messages = lines(1, 3), options = {}) {
    const { chorus, heard } = this.chorus(options);
    chorus.join('lobby');
    chorus.connect('alice');
    await settle();
    const socket = this.socket;
    socket.welcome({ limits: options.limits });
    socket.joined(messages);
    await settle();
    return { chorus, heard, socket };
  }

  /** The newest socket. */
  get socket() {
    return this.sockets.at(-1);
  }
}

export const refusal = (status, code, headers = {}) => Response.json({ code, message: 'No.' }, { status, headers });
