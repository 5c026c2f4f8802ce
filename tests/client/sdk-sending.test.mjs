// Sending: receipts, lost acknowledgements, pacing, refusals, reloads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandStorage, lines, settle, World } from './world.mjs';

const sentTexts = (socket) => socket.frames('message').map(({ message }) => message);

async function back(world, joined = { recovered: true, seq: 3 }, messages = []) {
  world.socket.end(1006);
  await world.clock.advance(20_000);
  world.socket.welcome();
  if (joined) world.socket.joined(messages, joined);
  return world.socket;
}

test('a message resolves with its place in the log when it is acknowledged', async () => {
  const { chorus, heard, socket } = await new World().inLobby();
  const promise = chorus.send('lobby', '  hello\u0007 ');
  const [frame] = socket.frames('message');
  assert.equal(frame.message, 'hello');
  assert.match(frame.id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(heard.waiting.map(({ id, message }) => [id, message]), [[frame.id, 'hello']]);
  socket.ack(frame.id, 4);
  assert.deepEqual(await promise, { id: frame.id, room: 'lobby', seq: 4, timestamp: '2026-01-01T00:00:04.000Z' });
  assert.equal(heard.sent.length, 1);
  socket.ack(frame.id, 4, { duplicate: true });
  assert.equal(heard.sent.length, 1);
});

test('the own message is as good as its acknowledgement, but only the own one', async () => {
  const { chorus, heard, socket } = await new World().inLobby();
  const promise = chorus.send('lobby', 'hello', { id: 'one' });
  socket.message(4, { id: 'one', username: 'mallory' });
  assert.equal(heard.sent.length, 0);
  socket.message(5, { id: 'one', username: 'alice' });
  assert.equal((await promise).seq, 5);
});

test('after a lost acknowledgement the same id is sent again, once', async () => {
  const world = new World();
  const { chorus, socket } = await world.inLobby();
  const promise = chorus.send('lobby', 'hello');
  const [{ id }] = socket.frames('message');
  const next = await back(world);
  assert.deepEqual(next.frames('message'), [{ type: 'message', room: 'lobby', id, message: 'hello' }]);
  next.ack(id, 4, { duplicate: true });
  assert.equal((await promise).seq, 4);
  const third = await back(world);
  assert.equal(third.frames('message').length, 0);
});

test('a message that is found in what the resume brings is not sent again', async () => {
  const world = new World();
  const { chorus, heard } = await world.inLobby();
  const promise = chorus.send('lobby', 'hello', { id: 'one' });
  const next = await back(world, { recovered: true }, lines(4, 4, { username: 'alice', id: 'one' }));
  assert.equal((await promise).seq, 4);
  assert.equal(next.frames('message').length, 0);
  assert.equal(heard.sent.length, 1);
});

test('nothing is sent into a room before the last page of its join has come', async () => {
  const world = new World();
  const { chorus } = await world.inLobby();
  const next = await back(world, null);
  chorus.send('lobby', 'hello');
  next.joined(lines(4, 5), { recovered: true, hasMore: true });
  assert.equal(next.frames('message').length, 0);
  next.joined(lines(6, 6), { recovered: true });
  assert.deepEqual(sentTexts(next), ['hello']);
});

test('messages written while offline go in their order and as fast as the window allows, no faster', async () => {
  const world = new World();
  const { chorus, socket } = await world.inLobby(lines(1, 3), { limits: { messages: 3, windowSeconds: 10 } });
  socket.end(1006);
  for (let number = 1; number <= 8; number += 1) chorus.send('lobby', `m${number}`);
  await world.clock.advance(250);
  world.socket.welcome({ limits: { messages: 3, windowSeconds: 10 } });
  world.socket.joined([], { recovered: true, seq: 3 });
  let seq = 3;
  const acknowledge = () => {
    for (const { id } of world.socket.frames('message').slice(seq - 3)) world.socket.ack(id, (seq += 1));
  };
  acknowledge();
  assert.deepEqual(sentTexts(world.socket), ['m1', 'm2', 'm3']);
  await world.clock.advance(10_000);
  assert.equal(sentTexts(world.socket).length, 3);
  await world.clock.advance(300);
  acknowledge();
  assert.equal(sentTexts(world.socket).length, 6);
  await world.clock.advance(10_300);
  acknowledge();
  assert.deepEqual(sentTexts(world.socket), ['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8']);
});

test('the window is the person’s, not the socket’s: a reconnect does not reopen it', async () => {
  const world = new World();
  const { chorus, socket } = await world.inLobby(lines(1, 3), { limits: { messages: 2, windowSeconds: 10 } });
  chorus.send('lobby', 'a', { id: 'a' });
  chorus.send('lobby', 'b', { id: 'b' });
  socket.ack('a', 4);
  socket.ack('b', 5);
  chorus.send('lobby', 'c');
  assert.equal(socket.frames('message').length, 2);
  socket.end(1006);
  await world.clock.advance(300);
  world.socket.welcome({ limits: { messages: 2, windowSeconds: 10 } });
  world.socket.joined([], { recovered: true, seq: 5 });
  assert.equal(world.socket.frames('message').length, 0);
  await world.clock.advance(10_300);
  assert.deepEqual(sentTexts(world.socket), ['c']);
});

test('that messages wait for the window is told with the time until the next, and when none does any more', async () => {
  const world = new World();
  const { chorus, heard, socket } = await world.inLobby(lines(1, 3), { limits: { messages: 2, windowSeconds: 10 } });
  for (const id of ['a', 'b']) chorus.send('lobby', id, { id });
  for (const [index, id] of ['a', 'b'].entries()) socket.ack(id, 4 + index);
  assert.deepEqual(heard.paced, []);
  await world.clock.advance(4_000);
  chorus.send('lobby', 'c', { id: 'c' });
  assert.deepEqual(heard.paced, [{ nextInMs: 6_250 }]);
  await world.clock.advance(6_250);
  assert.deepEqual(sentTexts(socket), ['a', 'b', 'c']);
  assert.deepEqual(heard.paced.at(-1), { nextInMs: null });
  // An answer that takes its time is no pace.
  await world.clock.advance(10_000);
  assert.equal(heard.paced.length, 2);
});

test('rate_limited waits as long as it says, then the same id goes again, before the later ones', async () => {
  const world = new World();
  const { chorus, heard, socket } = await world.inLobby();
  const first = chorus.send('lobby', 'first', { id: 'one' });
  socket.error('rate_limited', { id: 'one', retryAfterMs: 4_000 });
  chorus.send('lobby', 'second', { id: 'two' });
  await world.clock.advance(3_900);
  assert.deepEqual(sentTexts(socket), ['first']);
  await world.clock.advance(200);
  assert.deepEqual(socket.frames('message').map(({ id }) => id), ['one', 'one', 'two']);
  socket.ack('one', 4);
  assert.equal((await first).seq, 4);
  assert.equal(heard.refused.length, 0);
});

test('an outcome nobody knows is asked for again with the same id, less and less often', async () => {
  const world = new World();
  const { chorus, socket } = await world.inLobby(lines(1, 3), { limits: { messages: 1000, windowSeconds: 10 } });
  chorus.send('lobby', 'hello', { id: 'one' });
  for (let round = 1; round <= 6; round += 1) {
    assert.equal(socket.frames('message').length, round);
    socket.error('outcome_unknown', { id: 'one' });
    await world.clock.advance(500 + 250 * 2 ** (round - 1));
  }
  assert.equal(new Set(socket.frames('message').map(({ id }) => id)).size, 1);
});

test('a refused message rejects with the server’s code and is not sent again', async () => {
  const world = new World();
  const { chorus, heard, socket } = await world.inLobby();
  const promise = chorus.send('lobby', 'hello', { id: 'one' });
  socket.error('message_too_long', { id: 'one' });
  await assert.rejects(promise, { code: 'message_too_long', name: 'ChorusError' });
  assert.deepEqual(heard.refused.map(({ id, message, error }) => [id, message, error.code]), [['one', 'hello', 'message_too_long']]);
  const next = await back(world);
  assert.equal(next.frames('message').length, 0);
  assert.equal(world.storage.length, 0);
});

test('what the server would close the socket for is refused here', async () => {
  const { chorus, heard, socket } = await new World().inLobby();
  await assert.rejects(chorus.send('lobby', '👍'.repeat(5000)), { code: 'message_too_long' });
  await assert.rejects(chorus.send('lobby', ' \u0007 '), { code: 'message_empty' });
  await assert.rejects(chorus.send('lobby', 'x', { id: 'no spaces' }), { code: 'invalid_id' });
  assert.equal(socket.frames('message').length, 0);
  assert.equal(heard.refused.length, 3);
  chorus.send('lobby', 'x', { id: 'one' });
  await assert.rejects(chorus.send('lobby', 'y', { id: 'one' }), { code: 'invalid_id' });
});

test('a message that outgrew limits learnt later is refused and does not block the others', async () => {
  const world = new World();
  const { chorus, heard } = world.chorus();
  chorus.connect('alice');
  chorus.send('lobby', 'x'.repeat(2_000), { id: 'big' });
  chorus.send('lobby', 'small');
  await settle();
  world.socket.welcome({ limits: { frameBytes: 1_024 } });
  world.socket.joined([]);
  assert.deepEqual(sentTexts(world.socket), ['small']);
  assert.equal(heard.refused[0].error.code, 'message_too_long');
});

test('at most 200 messages wait; the next one is refused at once', async () => {
  const world = new World();
  const { chorus, heard } = world.chorus();
  chorus.connect('alice');
  for (let number = 0; number < 200; number += 1) chorus.send('lobby', `m${number}`);
  await assert.rejects(chorus.send('lobby', 'one too many'), { code: 'queue_full' });
  assert.equal(heard.refused[0].message, 'one too many');
  assert.equal(world.storage.length, 200);
});

test('a reload loses nothing that waits, keeps the order and the ids, and sends once', async () => {
  const world = new World();
  const before = world.chorus();
  before.chorus.connect('alice');
  for (const text of ['a', 'b', 'c']) before.chorus.send('lobby', text);
  const ids = before.heard.waiting.map(({ id }) => id);
  // The page goes without a word; nothing of the old client runs on.
  world.clock = new world.clock.constructor();
  world.sockets = [];
  const after = world.chorus();
  after.chorus.connect('alice');
  assert.deepEqual(after.heard.waiting.map(({ id, message }) => [id, message]), [[ids[0], 'a'], [ids[1], 'b'], [ids[2], 'c']]);
  await settle();
  world.socket.welcome();
  world.socket.joined(lines(1, 1, { username: 'alice', id: ids[0] }));
  assert.deepEqual(world.socket.frames('message').map(({ id }) => id), [ids[1], ids[2]]);
  world.socket.ack(ids[1], 2);
  world.socket.ack(ids[2], 3);
  assert.equal(after.heard.sent.length, 3);
  assert.equal(world.storage.length, 0);
});

test('what one person left waiting is not sent by another', async () => {
  const world = new World();
  const alice = world.chorus();
  alice.chorus.connect('alice');
  alice.chorus.send('lobby', 'from alice');
  alice.chorus.disconnect();
  const bob = world.chorus();
  bob.chorus.connect('bob');
  assert.equal(bob.heard.waiting.length, 0);
  bob.chorus.disconnect();
  alice.chorus.connect('alice');
  assert.equal(alice.heard.waiting.length, 2);
});

test('disconnecting rejects the promises but keeps the messages', async () => {
  const world = new World();
  const { chorus } = world.chorus();
  chorus.connect('alice');
  const promise = chorus.send('lobby', 'hello');
  chorus.disconnect();
  await assert.rejects(promise, { code: 'stopped' });
  assert.equal(world.storage.length, 1);
});

test('a discarded message is gone, also from the storage', async () => {
  const world = new World();
  const { chorus } = world.chorus();
  chorus.connect('alice');
  const promise = chorus.send('lobby', 'hello', { id: 'one' });
  chorus.discard('one');
  await assert.rejects(promise, { code: 'stopped' });
  assert.equal(world.storage.length, 0);
});

test('only what was certainly never sent can be taken back', async () => {
  const world = new World();
  const { chorus, socket } = await world.inLobby();
  const sent = chorus.send('lobby', 'sent', { id: 'sent' });
  assert.equal(chorus.withdraw('sent'), false, 'it is on its way');
  socket.end(1006);
  assert.equal(chorus.withdraw('sent'), false, 'it may have arrived');
  const unsent = chorus.send('lobby', 'unsent', { id: 'unsent' });
  assert.equal(chorus.withdraw('unsent'), true);
  await assert.rejects(unsent, { code: 'stopped' });
  assert.equal(chorus.withdraw('unsent'), false, 'it is gone');
  assert.equal(chorus.withdraw('never'), false);
  const again = world.chorus();
  again.chorus.connect('alice');
  assert.equal(again.chorus.withdraw('sent'), false, 'what the run before did with it, nobody knows');
  await world.clock.advance(20_000);
  assert.equal(world.storage.length, 1);
  sent.catch(() => {});
});

test('a storage that is full, forbidden or filled with nonsense costs only the reload', async () => {
  const world = new World();
  const broken = new HandStorage();
  broken.setItem = () => {
    throw new Error('QuotaExceededError');
  };
  const { chorus, socket } = await world.inLobby(lines(1, 3), { storage: broken });
  const promise = chorus.send('lobby', 'hello', { id: 'one' });
  socket.ack('one', 4);
  assert.equal((await promise).seq, 4);

  const nonsense = new World();
  for (const value of ['', '{', '[]', '{"id":7}', '{"id":"x","room":"lobby","message":"m","at":1}']) {
    nonsense.storage.setItem(`chorus:outbox:http://server.test:alice:${value.length}`, value);
  }
  const { heard } = nonsense.chorus();
  const second = nonsense.chorus();
  second.chorus.connect('alice');
  assert.equal(heard.waiting.length + second.heard.waiting.length, 0);
});

test('a socket that takes messages and never answers is left', async () => {
  const world = new World();
  const { chorus, heard, socket } = await world.inLobby();
  chorus.send('lobby', 'hello');
  await world.clock.advance(15_001);
  assert.ok(socket.closedByClient);
  assert.equal(heard.status.find(({ state }) => state === 'waiting').reason, 'timeout');
});

test('a message that stays unanswered while others arrive is asked about again', async () => {
  const world = new World();
  const { chorus, socket } = await world.inLobby();
  chorus.send('lobby', 'hello', { id: 'one' });
  for (let seq = 4; seq < 14; seq += 1) {
    socket.message(seq);
    await world.clock.advance(3_100);
  }
  assert.deepEqual(socket.frames('message').map(({ id }) => id), ['one', 'one']);
});
