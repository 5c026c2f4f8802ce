// Going from room to room: addresses, what is offered to somebody who looks for a room, and what counts
// as read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newRoom, nothingFound, roomNameFrom, roomOptions } from '../../client/rooms.js';
import { hashOf, isRoomName, placeOf } from '../../client/route.js';
import { initialState, mentionsIn, reduce, unreadIn } from '../../client/state.js';
import { thread } from '../../client/thread.js';
import { line, lines } from './world.mjs';

const NOW = Date.parse('2026-01-02T12:00:00Z');
const run = (state, ...events) => events.reduce(reduce, state);
const signedIn = run(initialState('system', NOW), { type: 'session.opened', username: 'alice', now: NOW }, { type: 'link', status: { state: 'connected', retryInMs: null, reason: null }, now: NOW });
const opened = (room, read = null) => ({ type: 'room.opened', room, read });
const page = (room, messages) => ({
  type: 'room.history',
  room,
  now: NOW,
  history: { room, messages, seq: messages.at(-1)?.seq ?? 0, resumed: false, recovered: false, reason: 'fresh', gap: null, first: true, last: true },
});
const said = (room, seq, options) => ({ type: 'room.message', room, message: line(seq, options) });
const unread = (state, room) => unreadIn(state, state.rooms[room]);
const entered = (room) => ({ type: 'entered', room });

test('an address leads to a room or to a message, and to nothing else', () => {
  assert.deepEqual(placeOf('#lobby'), { room: 'lobby', seq: null });
  assert.deepEqual(placeOf('#lobby/58'), { room: 'lobby', seq: 58 });
  for (const place of [{ room: 'a-b_c9', seq: null }, { room: 'x', seq: 1 }]) assert.deepEqual(placeOf(hashOf(place)), place);
  for (const wrong of ['', '#', '#Lobby', '#lobby/', '#lobby/0', '#lobby/1e3', '#lobby/-1', '#lobby/1/2', '#-a', `#${'x'.repeat(51)}`, '#lobby/1234567890123456', '#__proto__', '#a b']) {
    assert.equal(placeOf(wrong), null, wrong);
  }
});

test('what somebody writes for a room becomes a name that can be one', () => {
  assert.equal(roomNameFrom(' #General  Chat '), 'general-chat');
  assert.equal(roomNameFrom('Bad Name!'), 'bad-name');
  assert.equal(roomNameFrom('Café & Küche'), 'cafe-kuche');
  assert.equal(roomNameFrom('__proto__'), 'proto__');
  for (const nothing of ['', '  ', '#', '!?', '日本']) assert.equal(roomNameFrom(nothing), '', nothing);
  assert.ok(isRoomName('general-chat') && !isRoomName('general chat') && !isRoomName(''));
});

test('one’s own rooms come first, the exact name before all, and what is not there can be made', () => {
  const rooms = ['design', 'dev', 'lobby', 'old-dev'].map((room, index) => ({ room, userCount: index, lastSeq: 1, lastTimestamp: null }));
  const state = run(signedIn, opened('lobby'), opened('dev'), { type: 'jump', open: true }, { type: 'jump.rooms', rooms });
  const offered = (query) => roomOptions(state, query).map(({ key }) => key);
  const made = (query) => newRoom(roomOptions(state, query), query);
  assert.deepEqual(offered(''), ['dev', 'lobby', 'old-dev', 'design']);
  assert.equal(made(''), null);
  assert.deepEqual(offered('de'), ['dev', 'design', 'old-dev']);
  assert.equal(made('de'), 'de');
  assert.deepEqual(offered('design'), ['design']);
  assert.equal(made('design'), null);
  assert.deepEqual(offered('nowhere'), []);
  assert.equal(made('nowhere'), 'nowhere');
  assert.match(nothingFound('nowhere'), /Enter creates it/);
  assert.deepEqual(offered('!?'), []);
  assert.equal(made('!?'), null);
  assert.match(nothingFound('!?'), /a–z/);
  assert.equal(made('x'.repeat(51)), null);
  assert.match(nothingFound('x'.repeat(51)), /a–z/);
});

test('the room one comes from is the first that is offered, unless another has something new', () => {
  const state = run(signedIn, opened('lobby'), opened('dev'), page('dev', lines(1, 9)), opened('ask'), entered('dev'), entered('lobby'));
  const first = (at) => roomOptions(at, '').map(({ room }) => room)[0];
  assert.equal(first(state), 'dev');
  assert.equal(first(run(state, entered('dev'))), 'lobby');
  assert.equal(first(run(state, entered('ask'), said('dev', 10))), 'dev');
});

test('a room that does not exist is offered to be made', () => {
  const state = run(signedIn, opened('typo'), { type: 'room.closed', room: 'typo', reason: 'no', missing: true });
  assert.equal(newRoom(roomOptions(state, 'typo'), 'typo'), 'typo');
});

test('who comes for the first time has missed nothing', () => {
  const state = run(signedIn, opened('dev'), page('dev', lines(1, 9)));
  assert.equal(unread(state, 'dev'), 0);
  assert.equal(unread(run(state, said('dev', 10)), 'dev'), 1);
  assert.equal(unread(run(state, said('dev', 10, { username: 'alice' })), 'dev'), 0, 'one’s own is read');
});

test('what came since the last visit is unread, also what is not loaded', () => {
  const state = run(signedIn, opened('dev', 3), page('dev', lines(11, 20)));
  assert.equal(unread(state, 'dev'), 17);
});

test('who enters is taken to the first unread one; the end makes all of it read', () => {
  const before = run(signedIn, opened('lobby'), opened('dev', 3), page('dev', lines(1, 9)));
  const state = run(before, entered('dev'));
  assert.equal(state.rooms.dev.atEnd, false);
  assert.equal(state.rooms.dev.unseen, 6);
  const kinds = thread(state.rooms.dev, 'alice').map(({ key }) => key);
  assert.equal(kinds[kinds.indexOf('new') + 1], 'seq:4');
  const read = run(state, { type: 'room.reader', room: 'dev', atEnd: true });
  assert.equal(unread(read, 'dev'), 0);
  assert.ok(thread(read.rooms.dev, 'alice').some(({ kind }) => kind === 'new'), 'the line stays while one reads');
  const back = run(read, entered('lobby'), entered('dev'));
  assert.ok(!thread(back.rooms.dev, 'alice').some(({ kind }) => kind === 'new'));
});

test('what was not on the screen is unread still when the reader leaves, and begins at a line again', () => {
  const before = run(signedIn, opened('lobby'), page('lobby', []), opened('dev', 3), page('dev', lines(1, 40)), entered('dev'));
  const seen = run(before, { type: 'room.read', room: 'dev', seq: 9 });
  assert.deepEqual([unread(seen, 'dev'), seen.rooms.dev.unseen, seen.rooms.dev.line], [31, 31, 3], 'what was seen waits below no more');
  const left = run(seen, entered('lobby'));
  assert.equal(unread(left, 'dev'), 31);
  const back = run(left, entered('dev'));
  assert.deepEqual([back.rooms.dev.line, back.rooms.dev.atEnd, back.rooms.dev.unseen], [9, false, 31]);
});

test('what comes while one reads above begins at a line of its own', () => {
  const read = run(signedIn, opened('lobby'), opened('dev', 3), page('dev', lines(1, 9)), entered('dev'), { type: 'room.reader', room: 'dev', atEnd: true });
  assert.equal(read.rooms.dev.line, 3);
  const state = run(read, { type: 'room.reader', room: 'dev', atEnd: false }, said('dev', 10), said('dev', 11));
  assert.deepEqual([state.rooms.dev.line, state.rooms.dev.unseen], [9, 2]);
});

test('unread messages that name the reader are counted by themselves', () => {
  const naming = { message: 'what does @Alice say?' };
  const state = run(signedIn, opened('dev', 3), page('dev', lines(1, 9)), said('dev', 10, naming), said('dev', 11), said('dev', 12, { ...naming, username: 'alice' }));
  assert.equal(mentionsIn(state, state.rooms.dev), 1);
  assert.equal(mentionsIn(state, run(state, { type: 'room.read', room: 'dev', seq: 10 }).rooms.dev), 0);
});

test('nothing is read while nobody looks', () => {
  const before = run(signedIn, opened('lobby'), page('lobby', lines(1, 3)), { type: 'looking', looking: false });
  const state = run(before, said('lobby', 4), said('lobby', 5));
  assert.equal(unread(state, 'lobby'), 2);
  const back = run(state, { type: 'looking', looking: true });
  assert.equal(unread(back, 'lobby'), 0);
  assert.equal(back.rooms.lobby.line, 3, 'but where it began is marked');
  assert.equal(run(back, { type: 'waiting.added', room: 'lobby', id: 'x', message: 'answer', at: NOW }).rooms.lobby.line, null);
});

test('what another window has read is read here', () => {
  const state = run(signedIn, opened('lobby'), opened('dev', 3), page('dev', lines(1, 9)), { type: 'room.read', room: 'dev', seq: 7 });
  assert.equal(unread(state, 'dev'), 2);
  assert.equal(unread(run(state, { type: 'room.read', room: 'dev', seq: 99 }), 'dev'), 0);
});

test('a log that began anew at a lower number does not count backwards', () => {
  const state = run(signedIn, opened('dev', 500), page('dev', lines(1, 9)));
  assert.equal(unread(state, 'dev'), 0);
  assert.equal(unread(run(state, said('dev', 10)), 'dev'), 1);
});

test('only the message that a link points to is marked', () => {
  const state = run(signedIn, opened('lobby'), page('lobby', lines(1, 9)), { type: 'room.pointed', room: 'lobby', seq: 4, now: NOW });
  const marked = thread(state.rooms.lobby, 'alice').filter(({ pointed }) => pointed);
  assert.deepEqual(marked.map(({ key }) => key), ['seq:4']);
});
