// Staying connected: tickets, backoff, close codes, draining nodes, silence, renewal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { line, lines, refusal, settle, World } from './world.mjs';

test('a socket is opened with a ticket and the subprotocol, never with the token', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby();
  assert.equal(socket.url, 'ws://server.test/ws?ticket=ticket-1');
  assert.equal(socket.protocols, 'chorus.v1');
  assert.equal(world.called('POST /ws-ticket')[0].headers.Authorization, 'Bearer token-1');
  assert.deepEqual(heard.status.map(({ state }) => state), ['connecting', 'connected']);
  assert.deepEqual(socket.frames('join'), [{ type: 'join', room: 'lobby', ref: 'join:lobby' }]);
  assert.equal(heard.welcome[0].username, 'alice');
});

test('after a loss it waits with full jitter, longer each time, and starts short again after a good connection', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby();
  delete world.answers['POST /ws-ticket'];
  await world.clock.advance(20_000);
  socket.end(1006);
  await world.clock.advance(60_000);
  const waits = heard.status.filter(({ state }) => state === 'waiting').map(({ retryInMs }) => retryInMs);
  assert.deepEqual(waits.slice(0, 7), [250, 500, 1000, 2000, 4000, 8000, 15_000]);
  world.answers['POST /ws-ticket'] = () => ({ ticket: 't', expiresIn: 10 });
  await world.clock.advance(30_000);
  world.socket.welcome();
  await world.clock.advance(10_001);
  world.socket.end(1006);
  assert.equal(heard.status.at(-1).retryInMs, 250);
});

test('a connection that is closed right after its welcome does not reset the wait', async () => {
  const world = new World();
  const { heard } = await world.inLobby();
  for (let round = 0; round < 4; round += 1) {
    world.socket.end(1008);
    await world.clock.advance(heard.status.at(-1).retryInMs);
    world.socket.welcome();
  }
  const waits = heard.status.filter(({ state }) => state === 'waiting').map(({ retryInMs }) => retryInMs);
  assert.deepEqual(waits, [250, 500, 1000, 2000]);
});

test('the codes 1001, 1006, 1008, 1011 and 1013 all come back with the position', async () => {
  for (const code of [1001, 1006, 1008, 1011, 1013]) {
    const world = new World();
    const { socket } = await world.inLobby(lines(1, 5));
    socket.end(code);
    await world.clock.advance(500);
    world.socket.welcome();
    assert.notEqual(world.socket, socket);
    assert.deepEqual(world.socket.frames('join'), [{ type: 'join', room: 'lobby', after: 5, afterId: 'bob-5', ref: 'join:lobby' }], String(code));
  }
});

test('4001 ends it: signed out, no other attempt', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby();
  socket.end(4001);
  await world.clock.advance(120_000);
  assert.deepEqual(heard.status.at(-1), { state: 'signed_out', retryInMs: null, reason: 'session_ended' });
  assert.equal(world.sockets.length, 1);
});

test('a ticket refused with 401 means signed out; any other refusal means later', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby();
  world.answers['POST /ws-ticket'] = () => refusal(503, 'unavailable', { 'Retry-After': '7' });
  socket.end(1006);
  await world.clock.advance(300);
  assert.deepEqual(heard.status.at(-1), { state: 'waiting', retryInMs: 7500, reason: 'unavailable' });
  world.answers['POST /ws-ticket'] = () => refusal(401, 'unauthorized');
  await world.clock.advance(7500);
  assert.equal(heard.status.at(-1).state, 'signed_out');
  await world.clock.advance(120_000);
  assert.equal(world.sockets.length, 1);
});

test('a token that another tab has renewed meanwhile is taken up', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby();
  world.answers['POST /ws-ticket'] = ({ headers }) => {
    if (headers.Authorization !== 'Bearer token-1') return { ticket: 'fresh', expiresIn: 10 };
    world.token = 'token-2';
    return refusal(401, 'unauthorized');
  };
  socket.end(1006);
  await world.clock.advance(300);
  assert.equal(world.socket.url, 'ws://server.test/ws?ticket=fresh');
  assert.equal(heard.status.at(-1).state, 'connecting');
});

test('a proxy’s error page counts as a server that is busy', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby();
  world.answers['POST /ws-ticket'] = () => new Response('<h1>502</h1>', { status: 502 });
  socket.end(1006);
  await world.clock.advance(300);
  assert.equal(heard.status.at(-1).reason, 'unavailable');
});

test('a socket that never says welcome is given up', async () => {
  const world = new World();
  const { chorus, heard } = world.chorus();
  chorus.connect('alice');
  await world.clock.advance(9_999);
  assert.equal(heard.status.at(-1).state, 'connecting');
  await world.clock.advance(2);
  assert.equal(heard.status.at(-1).state, 'waiting');
  assert.ok(world.sockets[0].closedByClient);
});

test('an HTTP call that is never answered is given up', async () => {
  const world = new World();
  world.answers['POST /ws-ticket'] = ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
  const { chorus, heard } = world.chorus();
  chorus.connect('alice');
  await world.clock.advance(10_001);
  assert.deepEqual(heard.status.at(-1), { state: 'waiting', retryInMs: 250, reason: 'timeout' });
});

test('a draining node is left at the time it named, and serves until the next one has welcomed', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby(lines(1, 3));
  socket.receive({ type: 'reconnect', afterMs: 1830 });
  await world.clock.advance(1829);
  assert.equal(world.sockets.length, 1);
  await world.clock.advance(1);
  assert.equal(world.sockets.length, 2);
  socket.message(4);
  assert.ok(!socket.closedByClient);
  world.socket.welcome();
  assert.ok(socket.closedByClient);
  assert.deepEqual(world.socket.frames('join')[0], { type: 'join', room: 'lobby', after: 4, afterId: 'bob-4', ref: 'join:lobby' });
  world.socket.joined([line(5)], { recovered: true });
  assert.deepEqual(heard.message.map(({ seq }) => seq), [4]);
  assert.deepEqual(heard.history.at(-1).messages.map(({ seq }) => seq), [5]);
  assert.deepEqual(heard.status.map(({ state }) => state), ['connecting', 'connected', 'connected']);
});

test('a draining node that closes early is not replaced before the time it named', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby();
  socket.receive({ type: 'reconnect', afterMs: 5000 });
  await world.clock.advance(1000);
  socket.end(1001);
  assert.equal(heard.status.at(-1).retryInMs, 4250);
  await world.clock.advance(4250);
  assert.equal(world.sockets.length, 2);
});

test('when the old connection dies while the next is on its way, only that one goes on', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby();
  let give;
  world.answers['POST /ws-ticket'] = () => new Promise((resolve) => (give = () => resolve({ ticket: 'x', expiresIn: 10 })));
  socket.receive({ type: 'reconnect', afterMs: 10 });
  await world.clock.advance(10);
  socket.end(1001);
  assert.equal(heard.status.at(-1).state, 'connecting');
  give();
  await world.clock.advance(9_000);
  assert.equal(world.sockets.length, 2);
  world.socket.welcome();
  assert.equal(heard.status.at(-1).state, 'connected');
});

test('a next connection that fails leaves the old one serving, and is tried again', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby();
  world.answers['POST /ws-ticket'] = () => refusal(503, 'draining');
  socket.receive({ type: 'reconnect', afterMs: 10 });
  await world.clock.advance(11);
  socket.message(4);
  assert.equal(heard.message.length, 1);
  assert.equal(heard.status.at(-1).state, 'connected');
  world.answers['POST /ws-ticket'] = () => ({ ticket: 'y', expiresIn: 10 });
  await world.clock.advance(2000);
  assert.equal(world.sockets.length, 2);
});

test('"now" tries at once, and does nothing when there is nothing to wait for', async () => {
  const world = new World();
  const { chorus, socket } = await world.inLobby();
  chorus.reconnectNow();
  assert.equal(world.called('POST /ws-ticket').length, 1);
  socket.end(1006);
  chorus.reconnectNow();
  await settle();
  assert.equal(world.sockets.length, 2);
  chorus.reconnectNow();
  await settle();
  assert.equal(world.sockets.length, 2);
});

test('back online it tries at once; offline is told, but a server on this machine is still tried', async () => {
  const world = new World();
  const { chorus, heard, socket } = await world.inLobby();
  socket.end(1006);
  chorus.offline();
  assert.equal(heard.status.at(-1).state, 'offline');
  delete world.answers['POST /ws-ticket'];
  await world.clock.advance(5_000);
  assert.ok(world.called('POST /ws-ticket').length > 2);
  assert.equal(heard.status.at(-1).state, 'offline');
  world.answers['POST /ws-ticket'] = () => ({ ticket: 'z', expiresIn: 10 });
  chorus.online();
  await settle();
  assert.equal(world.sockets.length, 2);
});

test('offline with a socket that still answers changes nothing; with a dead one it is noticed within seconds', async () => {
  const world = new World();
  const { chorus, heard, socket } = await world.inLobby();
  chorus.offline();
  assert.deepEqual(socket.frames('users'), [{ type: 'users', room: 'lobby' }]);
  socket.receive({ type: 'userList', room: 'lobby', users: ['alice'], userCount: 1, version: 8 });
  await world.clock.advance(10_000);
  assert.equal(heard.status.at(-1).state, 'connected');
  chorus.online();
  await world.clock.advance(5_001);
  assert.equal(heard.status.at(-1).reason, 'timeout');
  assert.ok(socket.closedByClient);
});

test('after disconnect nothing more is heard or tried', async () => {
  const world = new World();
  const { chorus, heard, socket } = await world.inLobby();
  chorus.disconnect();
  socket.message(4);
  await world.clock.advance(4_000_000);
  assert.equal(heard.message.length, 0);
  assert.equal(world.sockets.length, 1);
  assert.equal(world.called('POST /refresh').length, 0);
  assert.equal(heard.status.at(-1).state, 'stopped');
});

test('disconnecting while a ticket is on its way opens no socket', async () => {
  const world = new World();
  const { chorus } = world.chorus();
  chorus.connect('alice');
  chorus.disconnect();
  await settle();
  assert.equal(world.sockets.length, 0);
});

test('a listener that throws harms nobody', async (t) => {
  t.mock.method(console, 'error', () => {});
  const world = new World();
  const { chorus, heard, socket } = await world.inLobby();
  chorus.on('message', () => {
    throw new Error('mistake');
  });
  socket.message(4);
  socket.message(5);
  assert.deepEqual(heard.message.map(({ seq }) => seq), [4, 5]);
});

// ---- renewal ----

test('well before the token runs out it is renewed, and the socket is shown a fresh ticket', async () => {
  const world = new World();
  const { socket } = await world.inLobby();
  await world.clock.advance(2_500_000);
  assert.equal(world.called('POST /refresh').length, 0);
  await world.clock.advance(300_000);
  assert.equal(world.called('POST /refresh')[0].headers.Authorization, 'Bearer token-1');
  assert.equal(world.token, 'token-2');
  assert.equal(world.called('POST /ws-ticket').at(-1).headers.Authorization, 'Bearer token-2');
  assert.match(socket.frames('renew')[0].ticket, /^ticket-/);
  socket.receive({ type: 'renewed', expiresAt: new Date(world.clock.serverTime() + 3_600_000).toISOString() });
  await world.clock.advance(2_900_000);
  assert.equal(world.called('POST /refresh').length, 2);
  assert.equal(world.sockets.length, 1);
});

test('a machine whose clock is hours wrong renews at the right time all the same', async () => {
  for (const skew of [-5 * 3_600_000, 5 * 3_600_000]) {
    const world = new World();
    world.clock.skew = skew;
    const { heard } = await world.inLobby();
    assert.deepEqual(heard.clock, [{ aheadMs: -skew }]);
    await world.clock.advance(2_500_000);
    assert.equal(world.called('POST /refresh').length, 0);
    await world.clock.advance(400_000);
    assert.equal(world.called('POST /refresh').length, 1);
  }
});

test('a wrong clock that cannot be measured does not hammer the server', async () => {
  const world = new World();
  world.clock.skew = 5 * 3_600_000;
  delete world.answers['GET /health'];
  await world.inLobby();
  await world.clock.advance(600_000);
  assert.ok(world.called('POST /refresh').length <= 11);
});

test('a renewal that fails is tried again until it succeeds', async () => {
  const world = new World();
  const { heard } = await world.inLobby();
  const answer = world.answers['POST /refresh'];
  world.answers['POST /refresh'] = () => refusal(503, 'unavailable');
  await world.clock.advance(2_800_000);
  assert.ok(world.called('POST /refresh').length > 3);
  world.answers['POST /refresh'] = answer;
  await world.clock.advance(60_000);
  assert.equal(world.token, 'token-2');
  assert.equal(heard.status.at(-1).state, 'connected');
});

test('the token of a bot, which nobody can renew, does until it ends', async () => {
  const world = new World();
  const { chorus } = world.chorus({ getToken: () => 'chorus_token' });
  world.answers['POST /refresh'] = () => refusal(403, 'forbidden');
  chorus.connect('adder');
  await settle();
  const [socket] = world.sockets;
  socket.welcome({ username: 'adder', expiresAt: '2125-01-01T00:00:00.000Z' });
  await world.clock.advance(86_400_000);
  assert.equal(world.called('POST /refresh').length, 0, 'a century is no time for a timer, but not over either');
  socket.receive({ type: 'renewed', expiresAt: new Date(world.clock.serverTime() + 3_600_000).toISOString() });
  await world.clock.advance(7_200_000);
  assert.equal(world.called('POST /refresh').length, 1, 'asked once');
  assert.equal(world.sockets.length, 1, 'and connected');
});

test('a renewal that is refused because the sign-in ended signs out', async () => {
  const world = new World();
  const { heard } = await world.inLobby();
  world.answers['POST /refresh'] = () => refusal(401, 'session_ended');
  await world.clock.advance(3_000_000);
  assert.deepEqual(heard.status.at(-1), { state: 'signed_out', retryInMs: null, reason: 'session_ended' });
});

test('a renewal the socket refuses is tried on another socket', async () => {
  const world = new World();
  const { socket } = await world.inLobby();
  await world.clock.advance(2_800_000);
  socket.error('wrong_session', { ref: 'renew' });
  await world.clock.advance(1_000);
  assert.equal(world.sockets.length, 2);
});

test('signing in keeps the token, and connects; signing out tells the server and ends here in any case', async () => {
  const world = new World();
  world.answers['POST /login'] = () => ({ token: 'mine', username: 'alice', expiresAt: '2026-01-01T01:00:00Z' });
  const { chorus, heard } = world.chorus({ getToken: undefined });
  await chorus.signIn('alice', 'password');
  await settle();
  assert.equal(world.called('POST /ws-ticket')[0].headers.Authorization, 'Bearer mine');
  await assert.rejects(chorus.signOut(), { code: 'network' });
  assert.deepEqual(world.called('POST /logout')[0].body, { token: 'mine' });
  assert.equal(heard.status.at(-1).state, 'stopped');
  await assert.rejects(chorus.history('lobby', { before: 9 }), { code: 'unauthorized' });
});
