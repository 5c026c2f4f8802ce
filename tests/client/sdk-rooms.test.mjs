// Reading: positions, pages, duplicates, holes, gaps, people.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { line, lines, settle, World } from './world.mjs';

const seqs = (messages) => messages.map(({ seq }) => seq);
const page = (messages) => ({ room: 'lobby', messages, lastSeq: messages.at(-1)?.seq ?? 0, hasMore: false });

/** Loses the connection and comes back, welcomed but not joined. */
async function back(world) {
  world.socket.end(1006);
  await world.clock.advance(20_000);
  world.socket.welcome();
  return world.socket;
}

test('the newest page comes first, with whoever is there', async () => {
  const { heard } = await new World().inLobby(lines(40, 57));
  assert.deepEqual(heard.history[0], { room: 'lobby', messages: lines(40, 57), seq: 57, resumed: false, recovered: false, reason: 'fresh', gap: null, first: true, last: true });
  assert.deepEqual(heard.people[0], { room: 'lobby', users: ['alice', 'bob'], userCount: 2, joined: [], left: [] });
});

test('a message heard before is dropped, on the same socket and on the next', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby();
  for (const seq of [4, 4, 2, 5]) socket.message(seq);
  assert.deepEqual(seqs(heard.message), [4, 5]);
  const next = await back(world);
  next.joined(lines(4, 6), { recovered: true });
  next.message(6);
  next.message(7);
  assert.deepEqual(seqs(heard.history.at(-1).messages), [6]);
  assert.deepEqual(seqs(heard.message), [4, 5, 7]);
});

test('an acknowledgement does not move the position: what lies before it still comes', async () => {
  const world = new World();
  const { chorus, socket } = await world.inLobby(lines(1, 3));
  chorus.send('lobby', 'hello', { id: 'mine' });
  socket.ack('mine', 5);
  const next = await back(world);
  assert.deepEqual(next.frames('join')[0], { type: 'join', room: 'lobby', after: 3, afterId: 'bob-3', ref: 'join:lobby' });
});

test('a resume in pages is one stretch without a hole, and people come with the last page', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby();
  assert.ok(socket);
  const next = await back(world);
  next.joined(lines(4, 6), { recovered: true, hasMore: true, seq: 9, users: ['alice'], userCount: 1, version: 20 });
  next.joined(lines(7, 8), { recovered: true, hasMore: true, seq: 9, users: ['alice'], userCount: 1, version: 20 });
  assert.equal(heard.people.length, 1);
  next.joined([line(9)], { recovered: true, seq: 9, users: ['alice', 'Zoe', 'carol'], userCount: 3, version: 22 });
  const pages = heard.history.slice(1);
  assert.deepEqual(pages.map(({ first, last, resumed, gap }) => ({ first, last, resumed, gap })), [
    { first: true, last: false, resumed: true, gap: null },
    { first: false, last: false, resumed: true, gap: null },
    { first: false, last: true, resumed: true, gap: null },
  ]);
  assert.deepEqual(pages.flatMap(({ messages }) => seqs(messages)), [4, 5, 6, 7, 8, 9]);
  assert.deepEqual(heard.people.at(-1).users, ['alice', 'carol', 'Zoe']);
});

test('messages that are deleted between two pages leave a gap and no seam', async () => {
  const world = new World();
  const { heard } = await world.inLobby(lines(1, 3));
  const next = await back(world);
  next.joined(lines(4, 6), { recovered: true, hasMore: true });
  next.joined(lines(90, 92), { reason: 'position_expired' });
  const { first, gap, messages } = heard.history.at(-1);
  assert.deepEqual({ first, gap }, { first: true, gap: { after: 6, before: 90, reason: 'position_expired' } });
  assert.deepEqual(seqs(messages), [90, 91, 92]);
  next.message(93);
  assert.deepEqual(seqs(heard.message), [93]);
});

test('a loss in the middle of the pages resumes from the last page that came', async () => {
  const world = new World();
  await world.inLobby();
  const next = await back(world);
  next.joined(lines(4, 6), { recovered: true, hasMore: true });
  const again = await back(world);
  assert.equal(again.frames('join')[0].after, 6);
});

test('a room that was empty is resumed from its beginning', async () => {
  const world = new World();
  const { heard } = await world.inLobby([]);
  const next = await back(world);
  assert.deepEqual(next.frames('join')[0], { type: 'join', room: 'lobby', after: 0, ref: 'join:lobby' });
  // A server may call that a fresh start; nothing is missing all the same.
  next.joined(lines(1, 2));
  assert.equal(heard.history.at(-1).gap, null);
  assert.deepEqual(seqs(heard.history.at(-1).messages), [1, 2]);
});

for (const reason of ['too_far', 'position_expired']) {
  test(`${reason} is told as a gap with its size, and what follows is followed`, async () => {
    const world = new World();
    const { heard } = await world.inLobby(lines(1, 3));
    const next = await back(world);
    next.joined(lines(1500, 1502), { reason });
    assert.deepEqual(heard.history.at(-1).gap, { after: 3, before: 1500, reason });
    next.message(1503);
    next.message(3);
    assert.deepEqual(seqs(heard.message), [1503]);
  });
}

test('a changed log is told, and its numbers start over', async () => {
  const world = new World();
  const { heard } = await world.inLobby(lines(1, 30));
  const next = await back(world);
  next.joined(lines(10, 20), { reason: 'log_changed' });
  assert.deepEqual(heard.history.at(-1).gap, { after: 30, before: 31, reason: 'log_changed' });
  assert.deepEqual(seqs(heard.history.at(-1).messages), seqs(lines(10, 20)));
  next.message(21, { id: 'other' });
  assert.deepEqual(seqs(heard.message), [21]);
  const again = await back(world);
  assert.deepEqual(again.frames('join')[0], { type: 'join', room: 'lobby', after: 21, afterId: 'other', ref: 'join:lobby' });
});

test('a log that changes under a live socket is told too, without having asked', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby(lines(1, 30));
  socket.joined(lines(1, 5, { username: 'carol' }), { reason: 'log_changed', version: 40 });
  assert.equal(heard.history.at(-1).gap.reason, 'log_changed');
  assert.deepEqual(seqs(heard.history.at(-1).messages), [1, 2, 3, 4, 5]);
  socket.message(6);
  assert.deepEqual(seqs(heard.message), [6]);
  socket.receive({ type: 'presence', room: 'lobby', joined: ['dave'], left: [], userCount: 3, version: 41 });
  assert.equal(socket.frames('users').length, 0);
});

test('a hole that should not be there is read from the log, and nothing overtakes it', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby(lines(1, 3));
  let give;
  world.answers['GET /rooms/lobby/messages'] = () => new Promise((resolve) => (give = resolve));
  socket.message(6);
  socket.message(7);
  await settle();
  assert.deepEqual(world.called('GET /rooms/lobby/messages')[0].query, { after: '3', limit: '200' });
  assert.deepEqual(heard.message, []);
  give(page(lines(4, 6)));
  await settle();
  socket.message(8);
  assert.deepEqual(seqs(heard.message), [4, 5, 6, 7, 8]);
});

test('numbers that are no messages are passed over, once the log has said so', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby(lines(1, 3));
  world.answers['GET /rooms/lobby/messages'] = () => page([line(6)]);
  socket.message(6);
  await settle();
  socket.message(7);
  assert.deepEqual(seqs(heard.message), [6, 7]);
});

test('a log that is behind cannot fill a hole: the socket is left and resumed', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby(lines(1, 3));
  world.answers['GET /rooms/lobby/messages'] = () => page([]);
  socket.message(6);
  await world.clock.advance(500);
  assert.ok(socket.closedByClient);
  world.socket.welcome();
  assert.equal(world.socket.frames('join')[0].after, 3);
  world.socket.joined(lines(4, 6), { recovered: true });
  assert.deepEqual(seqs(heard.history.at(-1).messages), [4, 5, 6]);
  assert.equal(heard.message.length, 0);
});

test('a hole whose socket is lost meanwhile is left to the resume', async () => {
  const world = new World();
  const { heard, socket } = await world.inLobby(lines(1, 3));
  let give;
  world.answers['GET /rooms/lobby/messages'] = () => new Promise((resolve) => (give = resolve));
  socket.message(6);
  await settle();
  const next = await back(world).finally(() => give?.(page(lines(4, 6))));
  await settle();
  next.joined(lines(4, 6), { recovered: true });
  assert.deepEqual(seqs(heard.message), []);
  assert.deepEqual(seqs(heard.history.at(-1).messages), [4, 5, 6]);
});

test('ten thousand histories of losses, duplicates and holes: every message once, in order', async () => {
  // A seeded generator, so that a failure can be repeated.
  let seed = 42;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const { Room } = await import('../../client/sdk/room.js');
  for (let round = 0; round < 10_000; round += 1) {
    const room = new Room('lobby');
    const log = lines(1, 1 + Math.floor(random() * 20));
    const heard = [];
    let end = 0;
    room.join();
    const join = () => {
      const { after = 0 } = room.join();
      end = Math.max(end, after, Math.floor(random() * (log.length + 1)));
      const missing = log.slice(after, end);
      const cut = Math.floor(random() * (missing.length + 1));
      for (const [messages, hasMore] of [[missing.slice(0, cut), true], [missing.slice(cut), false]]) {
        if (hasMore && random() < 0.5 && cut > 0) {
          heard.push(...room.joined({ type: 'joined', room: 'lobby', seq: end, recovered: after > 0, reason: null, hasMore, messages, users: [], userCount: 0, version: 1 }).history.messages);
          if (random() < 0.3) return room.lost();
        } else if (!hasMore) {
          const all = log.slice(room.seq, end);
          heard.push(...room.joined({ type: 'joined', room: 'lobby', seq: end, recovered: after > 0, reason: null, hasMore, messages: all, users: [], userCount: 0, version: 1 }).history.messages);
        }
      }
      return undefined;
    };
    for (let step = 0; step < 30; step += 1) {
      if (!room.live || random() < 0.1) {
        room.lost();
        join();
        continue;
      }
      const message = log[Math.floor(random() * log.length)];
      const verdict = room.message(message);
      if (verdict === 'next') heard.push(message);
      if (verdict === 'hole') heard.push(...room.fill(log.slice(room.seq, message.seq)));
      end = Math.max(end, room.seq);
    }
    assert.deepEqual(seqs(heard), seqs(log.slice(0, heard.length)), `round ${round}`);
  }
});

// ---- people ----

test('changes of who is there are applied in the order of their versions', async () => {
  const { heard, socket } = await new World().inLobby();
  socket.receive({ type: 'presence', room: 'lobby', joined: ['carol', 'Bert'], left: [], userCount: 4, version: 8 });
  socket.receive({ type: 'presence', room: 'lobby', joined: [], left: ['bob'], userCount: 3, version: 9 });
  assert.deepEqual(heard.people.at(-1), { room: 'lobby', users: ['alice', 'Bert', 'carol'], userCount: 3, joined: [], left: ['bob'] });
  assert.equal(socket.frames('users').length, 0);
});

test('a missed change makes it ask for the list, once, and changes meanwhile are not guessed at', async () => {
  const { heard, socket } = await new World().inLobby();
  socket.receive({ type: 'presence', room: 'lobby', joined: ['dave'], left: [], userCount: 4, version: 9 });
  socket.receive({ type: 'presence', room: 'lobby', joined: ['erin'], left: [], userCount: 5, version: 10 });
  assert.deepEqual(socket.frames('users'), [{ type: 'users', room: 'lobby' }]);
  assert.equal(heard.people.length, 1);
  socket.receive({ type: 'userList', room: 'lobby', users: ['alice', 'dave', 'erin'], userCount: 900, version: 10 });
  socket.receive({ type: 'presence', room: 'lobby', joined: ['bob'], left: [], userCount: 901, version: 11 });
  assert.deepEqual(heard.people.at(-1).users, ['alice', 'bob', 'dave', 'erin']);
  assert.equal(heard.people.at(-1).userCount, 901);
});

test('a version is that of one socket: after a reconnect the new list counts', async () => {
  const world = new World();
  const { heard } = await world.inLobby();
  const next = await back(world);
  next.joined([], { recovered: true, version: 2, seq: 3 });
  next.receive({ type: 'presence', room: 'lobby', joined: ['carol'], left: [], userCount: 3, version: 3 });
  assert.equal(next.frames('users').length, 0);
  assert.ok(heard.people.at(-1).users.includes('carol'));
});

test('joining a second room, leaving it, and a room that does not exist', async () => {
  const { chorus, heard, socket } = await new World().inLobby();
  chorus.join('tea');
  chorus.join('tea');
  assert.deepEqual(socket.frames('join').slice(1), [{ type: 'join', room: 'tea', ref: 'join:tea' }]);
  const promise = chorus.send('tea', 'hot?');
  socket.error('room_not_found', { ref: 'join:tea' });
  await assert.rejects(promise, { code: 'room_not_found' });
  assert.deepEqual(heard.closed.map(({ room, error }) => [room, error.code]), [['tea', 'room_not_found']]);
  chorus.leave('lobby');
  socket.message(4);
  assert.deepEqual(socket.frames('leave'), [{ type: 'leave', room: 'lobby' }]);
  assert.equal(heard.message.length, 0);
});

test('a join that may be tried again is', async () => {
  const world = new World();
  const { chorus, socket } = await world.inLobby();
  chorus.join('tea');
  socket.error('unavailable', { ref: 'join:tea', retryAfterMs: 700 });
  await world.clock.advance(700);
  assert.equal(socket.frames('join').filter(({ room }) => room === 'tea').length, 2);
});

test('a join that fails in the middle of its pages goes on where it was', async () => {
  const world = new World();
  await world.inLobby(lines(1, 3));
  const next = await back(world);
  next.joined(lines(4, 6), { recovered: true, hasMore: true });
  next.error('unavailable', { ref: 'join:lobby', retryAfterMs: 700 });
  await world.clock.advance(700);
  assert.deepEqual(next.frames('join').map(({ after }) => after), [3, 6]);
});

test('a join to be tried again is not tried twice when the socket changes meanwhile', async () => {
  const world = new World();
  const { chorus, socket } = await world.inLobby();
  chorus.join('tea');
  socket.error('unavailable', { ref: 'join:tea', retryAfterMs: 5_000 });
  socket.end(1006);
  await world.clock.advance(300);
  world.socket.welcome();
  await world.clock.advance(6_000);
  assert.equal(world.socket.frames('join').filter(({ room }) => room === 'tea').length, 1);
});

test('typing is told at most every three seconds, and heard', async () => {
  const world = new World();
  const { chorus, heard, socket } = await world.inLobby();
  for (let key = 0; key < 50; key += 1) {
    chorus.typing('lobby');
    await world.clock.advance(100);
  }
  assert.equal(socket.frames('typing').length, 2);
  socket.receive({ type: 'typing', room: 'lobby', username: 'bob' });
  socket.receive({ type: 'announcement', message: 'Restart at noon' });
  socket.error('unknown_type');
  assert.deepEqual(heard.typing, [{ room: 'lobby', username: 'bob' }]);
  assert.deepEqual(heard.announcement, [{ message: 'Restart at noon' }]);
  assert.equal(heard.error[0].code, 'unknown_type');
});
