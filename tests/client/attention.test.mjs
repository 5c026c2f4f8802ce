// What asks for attention, and help with writing names: the pure parts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askedAt, completed, matching } from '../../client/mention.js';
import { DEFAULT_LIMITS } from '../../client/sdk/protocol.js';
import { notificationText, worthTelling } from '../../client/notifier.js';
import { initialState, reduce, unreadCount } from '../../client/state.js';
import { fullTrafficLines, pageTitle, trafficFolds, troubleLine } from '../../client/words.js';
import { line, lines } from './world.mjs';

const NOW = 1_767_225_600_000;
const run = (state, ...events) => events.reduce(reduce, state);
const message = (seq, options) => ({ type: 'room.message', room: 'lobby', message: line(seq, options) });
const history = (messages, more) => ({
  type: 'room.history',
  room: 'lobby',
  now: NOW,
  history: { room: 'lobby', messages, seq: messages.at(-1)?.seq ?? 0, resumed: false, recovered: false, reason: 'fresh', gap: null, first: true, last: true, ...more },
});
const looking = (yes) => ({ type: 'looking', looking: yes });
const reader = (atEnd) => ({ type: 'room.reader', room: 'lobby', atEnd });
const welcomed = (build) => ({ type: 'welcomed', username: 'alice', build, limits: { ...DEFAULT_LIMITS } });
const signedIn = run(initialState('system', NOW), { type: 'session.opened', username: 'alice', now: NOW }, { type: 'room.opened', room: 'lobby', read: null }, history(lines(1, 3, { username: 'bob' })));

test('what is seen is not counted, what arrives behind the reader’s back is', () => {
  assert.equal(unreadCount(run(signedIn, message(4, { username: 'bob' }))), 0);
  const away = run(signedIn, looking(false), message(4, { username: 'bob' }), message(5, { username: 'alice' }), message(6, { username: 'bob' }));
  assert.equal(unreadCount(away), 2, 'not the own one');
  assert.equal(unreadCount(run(away, looking(true), reader(true))), 0);
});

test('one who reads above has not seen the new ones, even with the page before the eyes', () => {
  const above = run(signedIn, reader(false), message(4, { username: 'bob' }));
  assert.equal(unreadCount(above), 1);
  assert.equal(unreadCount(run(above, reader(true))), 0);
});

test('all rooms are counted together', () => {
  const messages = lines(1, 2, { username: 'bob' });
  const joined = { ...history(messages), room: 'garden' };
  const two = run(signedIn, { type: 'room.opened', room: 'garden', read: 0 }, { ...joined, history: { ...joined.history, room: 'garden' } });
  assert.equal(unreadCount(two), 2);
  assert.equal(unreadCount(run(two, looking(false), message(4, { username: 'bob' }))), 3);
});

test('the choice to be notified is the browser’s and outlives a sign-in', () => {
  const next = run(signedIn, { type: 'notify', notify: 'all', trouble: null }, { type: 'session.closed' });
  assert.equal(next.notify, 'all');
  assert.equal(run(next, { type: 'notify', notify: 'off', trouble: 'denied' }).notifyTrouble, 'denied');
});

test('the title has the number first, where a narrow tab still shows it', () => {
  assert.equal(pageTitle(0, 'lobby', 'Chorus'), 'lobby · Chorus');
  assert.equal(pageTitle(3, 'lobby', 'Chorus'), '(3) lobby · Chorus');
  assert.equal(pageTitle(100, 'lobby', 'Chorus'), '(99+) lobby · Chorus');
});

test('one is notified of what one asked for, never of oneself', () => {
  const told = (text, username = 'bob') => ({ room: 'lobby', seq: 1, username, message: text });
  assert.deepEqual(['off', 'mentions', 'all'].map((notify) => worthTelling(notify, told('hello'), 'alice')), [false, false, true]);
  assert.deepEqual(['off', 'mentions', 'all'].map((notify) => worthTelling(notify, told('hello @Alice'), 'alice')), [false, true, true]);
  assert.ok(!worthTelling('all', told('hello @alice', 'alice'), 'alice'));
});

test('a notification says who, where and what; several are one', () => {
  const told = (seq, text) => ({ room: 'lobby', seq, username: 'bob', message: text });
  assert.deepEqual(notificationText([told(1, 'hello')]), { title: 'bob in lobby', body: 'hello' });
  assert.deepEqual(notificationText([told(1, 'hello'), told(2, 'again')]), { title: '2 messages in lobby', body: 'bob: again' });
  assert.equal([...notificationText([told(1, '👍'.repeat(400))]).body].length, 161);
  assert.equal(troubleLine(null), '');
  assert.notEqual(troubleLine('denied'), troubleLine('unable'));
});

test('another build than the first is an update, and the same one again is none', () => {
  const first = run(signedIn, welcomed('1'));
  assert.equal(first.updated, false);
  assert.equal(run(first, welcomed('1')).updated, false);
  assert.equal(run(first, welcomed('2')).updated, true);
  assert.equal(run(first, welcomed('2'), welcomed('1')).updated, false, 'back on a node with the old client, in the middle of a deploy');
  assert.equal(run(first, welcomed('')).updated, false, 'a server that does not say');
  assert.equal(run(first, welcomed('2'), { type: 'session.closed' }).updated, true, 'the page is as old as before');
});

test('a name is asked for at the caret, in the beginning of a word', () => {
  const asked = (text, caret = text.length) => askedAt(text, caret)?.query ?? null;
  assert.equal(asked('@'), '');
  assert.equal(asked('hey @al'), 'al');
  assert.equal(asked('hey @al and', 7), 'al');
  assert.equal(asked('(@al'), 'al');
  assert.equal(asked('a\n@al'), 'al');
  for (const text of ['', 'al', 'mail@al', 'é@al', '𝒳@al', '@@al', '@al ', `@${'a'.repeat(60)}`]) assert.equal(asked(text), null, text);
  assert.equal(asked('@alice', 3), null, 'in the middle of a name');
  assert.deepEqual(askedAt('hey @al', 7), { from: 4, query: 'al' });
});

test('those are offered whose names begin so, then those with it inside, at most six, never oneself', () => {
  assert.deepEqual(matching(['Malory', 'alice', 'ALAN', 'bob', 'me_al'], 'al', 'me_al'), ['alice', 'ALAN', 'Malory']);
  assert.deepEqual(matching(['bob'], 'al', 'alice'), []);
  assert.equal(matching(Array.from({ length: 50 }, (_, index) => `al${index}`), 'AL', 'x').length, 6);
  assert.equal(matching(['bob', 'carol'], '', 'alice').length, 2);
  assert.deepEqual(matching(['bob', 'carol'], 'Bob', 'alice'), [], 'it is written out');
  assert.deepEqual(matching(['bob', 'bobby'], 'bob', 'alice'), ['bob', 'bobby']);
});

test('a name that was taken at the end is followed by a space', () => {
  assert.equal(completed('@al', 3, 'alice'), '@alice ');
  assert.equal(completed('@al there', 3, 'alice'), '@alice');
  assert.equal(completed('@al, there', 3, 'alice'), '@alice');
});

test('a long line of comings and goings folds, and has all names', () => {
  assert.ok(!trafficFolds(['a', 'b', 'c'], ['d', 'e', 'f']));
  assert.ok(trafficFolds(['a', 'b', 'c', 'd'], []));
  assert.deepEqual(fullTrafficLines(['a', 'b', 'c', 'd'], ['e']), ['Joined: a, b, c, d', 'Left: e']);
  assert.deepEqual(fullTrafficLines([], ['e']), ['Left: e']);
  const many = Array.from({ length: 356 }, (_, n) => `n${n}`);
  assert.ok(fullTrafficLines(many, [])[0].endsWith(', n99 and 256 others'), 'nobody reads hundreds of names');
  assert.ok(fullTrafficLines(many.slice(0, 101), [])[0].endsWith(', n100'), 'never one other alone');
});
