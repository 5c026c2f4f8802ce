// Being remembered: the cookie that stands in for a token which has run out, and several tabs that share it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusal, settle, World } from './world.mjs';

const DAY = 86_400_000;

/** A server that knows one browser's cookie, and the browser's jar. */
class Browser {
  worlds = [];
  kept = null;
  /** The generation of the cookie in the jar and at the server; null: none. */
  jar = null;
  atServer = null;
  token = 0;
  alive = new Set();
  shown = [];

  locks = {
    last: Promise.resolve(),
    asked: 0,
    request(name, { signal }, run) {
      this.asked += 1;
      const given = this.last.then(() => {
        if (signal.aborted) throw signal.reason;
        return run();
      });
      this.last = given.catch(() => {});
      return given;
    },
  };

  session(username = 'alice') {
    this.token += 1;
    const token = `given-${this.token}`;
    this.alive.add(token);
    return { token, username, expiresAt: '2026-01-01T01:00:00Z' };
  }

  /** A tab; `page` is what it says about itself. */
  tab({ page = { origin: 'http://server.test', locks: this.locks }, ...options } = {}) {
    const world = new World();
    this.worlds.push(world);
    const bearer = (answer) => ({ headers }) => {
      const token = headers.Authorization?.slice('Bearer '.length);
      return this.alive.has(token) ? answer(token) : refusal(401, 'unauthorized');
    };
    Object.assign(world.answers, {
      'POST /login': ({ body }) => {
        if (body.remember) this.jar = this.atServer = 1;
        return this.session(body.username);
      },
      'POST /ws-ticket': bearer((token) => ({ ticket: `of-${token}`, expiresIn: 10 })),
      'GET /me': bearer(() => ({ username: 'alice', expiresAt: '2026-01-01T01:00:00Z' })),
      'GET /rooms/lobby/messages': bearer(() => ({ messages: [], lastSeq: 0, hasMore: false })),
      'POST /logout': bearer(() => {
        this.alive.clear();
        this.jar = this.atServer = null;
        return { message: 'bye' };
      }),
      'POST /password': ({ headers, body }) => {
        if (!this.alive.has(headers.Authorization.slice('Bearer '.length))) return refusal(401, 'unauthorized');
        return body.current === 'right' ? this.session() : refusal(401, 'invalid_credentials');
      },
      'POST /refresh': ({ headers, credentials }) => {
        if (headers.Authorization) return bearer(() => this.session())({ headers });
        assert.equal(credentials, 'same-origin');
        this.shown.push(this.jar);
        if (this.jar === null || this.jar !== this.atServer) return refusal(401, 'unauthorized');
        this.jar = this.atServer += 1;
        return this.session();
      },
    });
    const { chorus, heard } = world.chorus({
      page,
      getToken: () => this.kept?.token ?? null,
      onSession: (session) => (this.kept = session),
      ...options,
    });
    return { world, chorus, heard };
  }

  /** All tokens run out. */
  sleep() {
    this.alive.clear();
  }
}

/** A tab of somebody who has signed in to be remembered, and is connected. */
async function signedIn(browser, options) {
  const tab = browser.tab(options);
  await tab.chorus.signIn('alice', 'right', { remember: true });
  await settle();
  tab.world.socket.welcome();
  return tab;
}

test('who signs in to be remembered gets a cookie on the server’s own page, and nowhere else', async () => {
  for (const [page, cookie] of [[{ origin: 'http://server.test' }, true], [{ origin: 'http://elsewhere.test' }, false], [null, false]]) {
    const browser = new Browser();
    const { world, chorus } = browser.tab({ page });
    await chorus.signIn('alice', 'right', { remember: true });
    assert.deepEqual(world.called('POST /login')[0].body, { username: 'alice', password: 'right', ...(cookie ? { remember: true } : {}) });
    assert.equal(world.called('POST /login')[0].credentials, 'same-origin');
    chorus.disconnect();
  }
  const browser = new Browser();
  const { world, chorus } = browser.tab();
  await chorus.signIn('alice', 'right');
  assert.equal(world.called('POST /login')[0].body.remember, undefined, 'unless it is asked for');
});

test('a page without a token takes the sign-in up by the cookie, without a bearer, and connects', async () => {
  const browser = new Browser();
  browser.jar = browser.atServer = 1;
  const { world, chorus } = browser.tab();
  const session = await chorus.takeUp();
  assert.equal(session.username, 'alice');
  assert.deepEqual(world.called('POST /refresh')[0].headers, {});
  assert.equal(browser.kept.token, session.token);
  await settle();
  assert.equal(world.socket.url, `ws://server.test/ws?ticket=of-${session.token}`);
});

test('nobody remembered is no error; not to know is one', async () => {
  const browser = new Browser();
  const { world, chorus, heard } = browser.tab();
  assert.equal(await chorus.takeUp(), null);
  assert.equal(browser.kept, null);
  assert.deepEqual(heard.status, []);
  world.answers['POST /refresh'] = () => refusal(503, 'unavailable');
  await assert.rejects(chorus.takeUp(), { code: 'unavailable' });
  delete world.answers['POST /refresh'];
  await assert.rejects(chorus.takeUp(), { code: 'network' });
});

test('elsewhere than on the server’s own page nobody asks for a cookie', async () => {
  const browser = new Browser();
  const { world, chorus, heard } = browser.tab({ page: { origin: 'http://elsewhere.test' } });
  assert.equal(await chorus.takeUp(), null);
  await chorus.signIn('alice', 'right', { remember: true });
  await settle();
  world.socket.welcome();
  browser.sleep();
  world.socket.end(4001);
  assert.equal(heard.status.at(-1).state, 'signed_out');
  assert.equal(world.called('POST /refresh').length, 0);
});

test('a laptop that slept longer than its token lived is signed in again without a word', async () => {
  for (const code of [4001, 1006]) {
    const browser = new Browser();
    const { world, chorus, heard } = await signedIn(browser);
    browser.sleep();
    world.socket.end(code);
    await world.clock.advance(500);
    assert.equal(world.sockets.length, 2, String(code));
    world.socket.welcome();
    assert.equal(heard.status.at(-1).state, 'connected');
    assert.ok(!heard.status.some(({ state }) => state === 'signed_out'));
    assert.deepEqual(browser.shown, [1]);
  }
});

test('a token that was kept for days and has expired is replaced when the page connects', async () => {
  const browser = new Browser();
  browser.jar = browser.atServer = 7;
  browser.kept = { token: 'old', username: 'alice', expiresAt: '2025-12-01T00:00:00Z' };
  const { world, chorus, heard } = browser.tab();
  chorus.connect('alice');
  await settle();
  world.socket.welcome();
  assert.equal(heard.status.at(-1).state, 'connected');
  assert.equal(browser.kept.token, 'given-1');
});

test('a sign-in that was ended is ended with its cookie, after one question', async () => {
  const browser = new Browser();
  const { world, chorus, heard } = await signedIn(browser);
  browser.sleep();
  browser.atServer = null;
  world.socket.end(4001);
  await world.clock.advance(DAY);
  assert.equal(heard.status.at(-1).state, 'signed_out');
  assert.equal(world.called('POST /refresh').length, 1);
  assert.equal(world.sockets.length, 1);
});

test('when the server can’t say whether somebody is remembered, that is asked again until it can', async () => {
  const browser = new Browser();
  const { world, chorus, heard } = await signedIn(browser);
  browser.sleep();
  const answer = world.answers['POST /refresh'];
  world.answers['POST /refresh'] = () => refusal(503, 'unavailable');
  world.socket.end(4001);
  await world.clock.advance(20_000);
  assert.equal(heard.status.at(-1).state, 'waiting');
  world.answers['POST /refresh'] = answer;
  chorus.reconnectNow();
  await settle();
  world.socket.welcome();
  assert.equal(heard.status.at(-1).state, 'connected');
});

test('tabs that wake together show the cookie once and share the token', async () => {
  const browser = new Browser();
  const tabs = [browser.tab(), browser.tab(), browser.tab()];
  await tabs[0].chorus.signIn('alice', 'right', { remember: true });
  for (const { chorus } of tabs.slice(1)) chorus.connect('alice');
  await settle();
  for (const { world } of tabs) world.socket.welcome();
  browser.sleep();
  for (const { world } of tabs) world.socket.end(1006);
  await Promise.all(tabs.map(({ world }) => world.clock.advance(500)));
  for (const { world, heard } of tabs) {
    assert.equal(world.sockets.length, 2);
    assert.equal(world.socket.url, `ws://server.test/ws?ticket=of-${browser.kept.token}`);
    world.socket.welcome();
    assert.equal(heard.status.at(-1).state, 'connected');
  }
  assert.deepEqual(browser.shown, [1]);
});

test('tabs that are opened together take up one sign-in with one use of the cookie', async () => {
  const browser = new Browser();
  browser.jar = browser.atServer = 1;
  const sessions = await Promise.all([browser.tab(), browser.tab(), browser.tab()].map(({ chorus }) => chorus.takeUp()));
  assert.deepEqual(browser.shown, [1]);
  for (const session of sessions) assert.deepEqual([session.token, session.username], ['given-1', 'alice']);
});

test('calls of one tab that are refused together show the cookie once, also where there are no locks', async () => {
  const browser = new Browser();
  const { world, chorus } = await signedIn(browser, { page: { origin: 'http://server.test' } });
  browser.sleep();
  await Promise.all([1, 2, 3].map((before) => chorus.history('lobby', { before })));
  assert.deepEqual(browser.shown, [1]);
});

test('a tab that holds the sign-in for ever is not waited for that long', async () => {
  const browser = new Browser();
  browser.jar = browser.atServer = 1;
  const never = { request: (name, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))) };
  const { world, chorus } = browser.tab({ page: { origin: 'http://server.test', locks: never } });
  const refused = assert.rejects(chorus.takeUp(), { code: 'timeout' });
  await world.clock.advance(20_001);
  await refused;
});

test('somebody else’s cookie is not taken for the own', async () => {
  const browser = new Browser();
  browser.jar = browser.atServer = 1;
  const { world, chorus, heard } = browser.tab();
  browser.kept = { token: 'old', username: 'bob', expiresAt: '2025-12-01T00:00:00Z' };
  chorus.connect('bob');
  await world.clock.advance(1_000);
  assert.equal(heard.status.at(-1).state, 'signed_out');
  assert.equal(browser.kept.token, 'old');
});

test('who has signed out is not signed in again by what was under way', async () => {
  const browser = new Browser();
  const { world, chorus } = await signedIn(browser);
  browser.sleep();
  let give;
  const answer = world.answers['POST /refresh'];
  world.answers['POST /refresh'] = (call) => new Promise((resolve) => (give = () => resolve(answer(call))));
  const history = assert.rejects(chorus.history('lobby', { before: 9 }), { code: 'unauthorized' });
  await settle();
  chorus.disconnect();
  browser.kept = null;
  give();
  await history;
  assert.equal(browser.kept, null);
  assert.equal(world.sockets.length, 1);
});

test('signing out after the token has expired ends the sign-in all the same', async () => {
  const browser = new Browser();
  const { world, chorus } = browser.tab();
  await chorus.signIn('alice', 'right', { remember: true });
  browser.sleep();
  const told = chorus.signOut();
  browser.kept = null;
  await told;
  assert.equal(world.called('POST /logout').length, 2);
  assert.equal(browser.atServer, null);
  assert.equal(browser.kept, null, 'the token was for that alone');
});

test('who stays for weeks uses the cookie once a day, and the token in between', async () => {
  const browser = new Browser();
  const { world, chorus } = await signedIn(browser);
  const prolonged = () => new Date(world.clock.serverTime() + 3_600_000).toISOString();
  const session = browser.session;
  browser.session = (...names) => ({ ...session.apply(browser, names), expiresAt: prolonged() });
  await world.clock.advance(3 * DAY);
  assert.ok(browser.shown.length === 2 || browser.shown.length === 3, String(browser.shown));
  assert.ok(world.called('POST /refresh').length > 60);
});

test('a renewal by the cookie that is refused or limited goes on with the token; one that got lost is asked again', async () => {
  for (const [status, code] of [[401, 'unauthorized'], [429, 'rate_limited']]) {
    const browser = new Browser();
    browser.kept = browser.session();
    const { world, chorus, heard } = browser.tab();
    const answer = world.answers['POST /refresh'];
    world.answers['POST /refresh'] = (call) => (call.headers.Authorization ? answer(call) : refusal(status, code));
    chorus.connect('alice');
    await settle();
    world.socket.welcome();
    await world.clock.advance(2_900_000);
    assert.equal(browser.kept.token, 'given-2');
    assert.equal(heard.status.at(-1).state, 'connected');
  }
  const browser = new Browser();
  browser.kept = browser.session();
  browser.jar = browser.atServer = 1;
  const { world, chorus } = browser.tab();
  const answer = world.answers['POST /refresh'];
  let lost = 0;
  world.answers['POST /refresh'] = (call) => {
    assert.equal(call.headers.Authorization, undefined);
    lost += 1;
    if (lost === 1) throw new TypeError('network changed');
    return answer(call);
  };
  chorus.connect('alice');
  await settle();
  world.socket.welcome();
  await world.clock.advance(2_900_000);
  assert.deepEqual(browser.shown, [1]);
});

test('a new password keeps the person signed in; a wrong current one is said and costs nothing', async () => {
  const browser = new Browser();
  const { world, chorus } = browser.tab();
  await chorus.signIn('alice', 'right', { remember: true });
  const changed = await chorus.changePassword('right', 'another one');
  assert.deepEqual(world.called('POST /password')[0].body, { current: 'right', new: 'another one' });
  assert.equal(browser.kept.token, changed.token);
  await assert.rejects(chorus.changePassword('wrong', 'another one'), { code: 'invalid_credentials' });
  assert.equal(world.called('POST /password').length, 2);
  assert.equal(world.called('POST /refresh').length, 0);
  browser.sleep();
  await chorus.changePassword('right', 'a third');
  assert.deepEqual(browser.shown, [1], 'with a token by the cookie');
});
