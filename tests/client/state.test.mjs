// The page's reducer and the thread that is drawn from it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChorusError, DEFAULT_LIMITS } from '../../client/sdk/protocol.js';
import { currentRoom, initialState, reduce } from '../../client/state.js';
import { MOST_ROWS } from '../../client/state-room.js';
import { chunks, thread } from '../../client/thread.js';
import { gapLine, missingLine, newsWords, statusLine, trafficLine, troubleLine, typingLine, unsentLine } from '../../client/words.js';
import { entranceErrors, entranceProblems } from '../../client/view/entrance.js';
import { hue } from '../../client/view/sides.js';
import { line, lines } from './world.mjs';

const NOW = 1_767_225_600_000;
const deepFreeze = (value) => {
  if (value && typeof value === 'object' && !Object.isFrozen(value)) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
};
/** Every state is frozen: a reducer that changes what it was given fails. */
const run = (state, ...events) => events.reduce((current, event) => deepFreeze(reduce(current, event)), deepFreeze(state));

const history = (messages, more = {}) => ({
  type: 'room.history',
  room: 'lobby',
  now: NOW,
  history: { room: 'lobby', messages, seq: messages.at(-1)?.seq ?? 0, resumed: false, recovered: false, reason: 'fresh', gap: null, first: true, last: true, ...more },
});
const resume = (messages, more = {}) => history(messages, { resumed: true, recovered: true, reason: null, ...more });
const message = (seq, options) => ({ type: 'room.message', room: 'lobby', message: line(seq, options) });
const people = (joined, left, users = ['alice', 'bob']) => ({ type: 'room.people', room: 'lobby', now: NOW, people: { room: 'lobby', users, userCount: users.length, joined, left } });
const status = (state, more = {}) => ({ type: 'link', now: NOW, status: { state, retryInMs: null, reason: null, ...more } });
const waiting = (id, text = id) => ({ type: 'waiting.added', room: 'lobby', id, message: text, at: NOW });
const reader = (atEnd) => ({ type: 'room.reader', room: 'lobby', atEnd });

const signedIn = run(initialState('system', NOW), { type: 'session.opened', username: 'alice', now: NOW }, { type: 'room.opened', room: 'lobby', read: null }, status('connected'));
const inLobby = run(signedIn, history(lines(1, 3)));
const seqs = (state) => currentRoom(state).rows.map(({ seq }) => seq);
const drawn = (state) => thread(currentRoom(state), 'alice').map((item) => (item.kind === 'message' ? item.message.seq : item.kind === 'waiting' ? item.row.id : item.kind === 'note' ? item.note.kind : item.kind));

test('messages follow on, each once, in order', () => {
  assert.deepEqual(seqs(run(inLobby, message(4), message(4), message(2), message(5))), [1, 2, 3, 4, 5]);
});

test('an event leaves alone what it is not about', () => {
  const next = run(inLobby, message(4));
  assert.equal(next.rooms.lobby.rows[0], inLobby.rooms.lobby.rows[0]);
  assert.equal(next.rooms.lobby.users, inLobby.rooms.lobby.users);
});

test('an own message is there at once, definite when acknowledged, and in its place when it arrives', () => {
  const asked = run(inLobby, waiting('one'));
  assert.deepEqual(drawn(asked), ['top', 'day', 1, 2, 3, 'one']);
  const sent = run(asked, { type: 'waiting.sent', room: 'lobby', id: 'one', seq: 5 });
  assert.equal(currentRoom(sent).waiting[0].state, 'sent');
  const there = run(sent, message(4), message(5, { username: 'alice', id: 'one' }));
  assert.deepEqual(drawn(there).slice(-3), [3, 4, 5]);
});

test('the message may be faster than its acknowledgement', () => {
  const state = run(inLobby, waiting('one'), message(4, { username: 'alice', id: 'one' }), { type: 'waiting.sent', room: 'lobby', id: 'one', seq: 4 });
  assert.deepEqual(drawn(state).slice(-2), [3, 4]);
  assert.equal(currentRoom(state).waiting.length, 0);
});

test('another person’s message with the same id is not the own one', () => {
  const state = run(inLobby, waiting('one'), message(4, { username: 'mallory', id: 'one' }));
  assert.deepEqual(drawn(state).slice(-2), [4, 'one']);
});

test('an acknowledged message whose place was skipped over does not stand there for ever', () => {
  const state = run(inLobby, waiting('one'), { type: 'waiting.sent', room: 'lobby', id: 'one', seq: 9 }, history(lines(1500, 1502), { resumed: true, reason: 'too_far', gap: { after: 3, before: 1500, reason: 'too_far' } }));
  assert.equal(currentRoom(state).waiting.length, 0);
});

test('a message found to be committed long ago, before what is shown, does not stand at the end', () => {
  const state = run(signedIn, history(lines(1500, 1502)), waiting('one'), { type: 'waiting.sent', room: 'lobby', id: 'one', seq: 5 });
  assert.deepEqual(drawn(state), ['top', 'day', 1500, 1501, 1502]);
});

test('a refused message stays with its reason, also when only the reload knows of it', () => {
  const refused = { type: 'waiting.refused', room: 'lobby', id: 'one', message: 'hi', reason: 'No.', at: NOW };
  for (const state of [run(inLobby, waiting('one', 'hi'), refused), run(inLobby, refused)]) {
    assert.deepEqual(currentRoom(state).waiting.map(({ id, state: kind, reason }) => [id, kind, reason]), [['one', 'refused', 'No.']]);
    assert.equal(currentRoom(run(state, { type: 'waiting.removed', room: 'lobby', id: 'one' })).waiting.length, 0);
  }
});

test('a message restored twice is there once', () => {
  assert.equal(currentRoom(run(inLobby, waiting('one'), waiting('one'))).waiting.length, 1);
});

// ---- coming back ----

test('after a resume the thread says how many came and that nothing is missing', () => {
  const state = run(inLobby, status('waiting', { retryInMs: 500 }), status('connected'), resume([line(4), line(5, { username: 'alice' }), line(6)]));
  assert.deepEqual(drawn(state).slice(3), [2, 3, 'back', 4, 5, 6]);
  assert.equal(currentRoom(state).notes.at(-1).count, 2);
  assert.equal(state.link.back.count, 2);
  assert.equal(run(state, { type: 'tick', now: NOW + 10_000 }).link.back, null);
});

test('a resume in pages counts them all, and says so only when it is whole', () => {
  const first = run(inLobby, resume([line(4)], { last: false }));
  assert.equal(currentRoom(first).live, false);
  assert.equal(first.link.back, null);
  const whole = run(first, resume([line(5)], { first: false }));
  assert.equal(whole.link.back.count, 2);
  assert.deepEqual(drawn(whole).slice(-4), [3, 'back', 4, 5]);
});

test('a resume without news leaves no line in the thread, and the next one replaces the last', () => {
  const quiet = run(inLobby, resume([]));
  assert.deepEqual(drawn(quiet), drawn(inLobby));
  assert.equal(quiet.link.back.count, 0);
  const twice = run(inLobby, resume([line(4)]), message(5), resume([line(6)]));
  assert.deepEqual(drawn(twice).slice(3), [2, 3, 4, 5, 'back', 6]);
});

test('a loss makes every room not live, and keeps what is there', () => {
  const state = run(inLobby, status('waiting', { retryInMs: 4000 }));
  assert.equal(currentRoom(state).live, false);
  assert.deepEqual(seqs(state), [1, 2, 3]);
  assert.equal(state.link.retryAt, NOW + 4000);
});

test('a gap stands where it is, shrinks as it is read, and closes', () => {
  const gap = { after: 3, before: 1500, reason: 'too_far' };
  const state = run(inLobby, history(lines(1500, 1502), { resumed: true, reason: 'too_far', gap }));
  assert.deepEqual(drawn(state), ['top', 'gap', 'day', 1500, 1501, 1502]);
  assert.equal(state.link.back, null);
  assert.match(gapLine(currentRoom(state).gap), /1,496 messages/);
  const older = (from, to, before) => ({ type: 'older.loaded', room: 'lobby', before, messages: lines(from, to), hasMore: true });
  const half = run(state, older(1000, 1499, 1500));
  assert.deepEqual(currentRoom(half).gap, { ...gap, before: 1000 });
  const closed = run(half, older(2, 999, 1000));
  assert.equal(currentRoom(closed).gap, null);
  assert.deepEqual([seqs(closed)[0], seqs(closed).at(-1), seqs(closed).length], [2, 1502, 1501]);
});

test('after a changed log only the new log is shown, and why', () => {
  const state = run(inLobby, history(lines(2, 3, { username: 'carol' }), { resumed: true, reason: 'log_changed', gap: { after: 3, before: 4, reason: 'log_changed' } }));
  assert.deepEqual(drawn(state), ['top', 'gap', 'day', 2, 3]);
  assert.equal(currentRoom(state).rows[0].username, 'carol');
  const read = run(state, { type: 'older.loaded', room: 'lobby', before: 2, messages: lines(1, 1), hasMore: false });
  assert.ok(drawn(read).includes('gap'));
});

// ---- older pages ----

test('older messages go before, and only where they were asked for', () => {
  const state = run(signedIn, history(lines(101, 110)));
  const asked = run(state, { type: 'older.asked', room: 'lobby' });
  assert.equal(currentRoom(asked).older, 'loading');
  const loaded = run(asked, { type: 'older.loaded', room: 'lobby', before: 101, messages: lines(51, 100), hasMore: true });
  assert.deepEqual([seqs(loaded).length, currentRoom(loaded).older], [60, 'idle']);
  assert.equal(run(loaded, { type: 'older.loaded', room: 'lobby', before: 101, messages: lines(1, 50), hasMore: true }), loaded);
  assert.equal(currentRoom(run(loaded, { type: 'older.loaded', room: 'lobby', before: 51, messages: [], hasMore: false })).older, 'none');
  assert.equal(currentRoom(run(asked, { type: 'older.failed', room: 'lobby' })).older, 'failed');
});

test('a room shown from its first message has no older ones to load', () => {
  assert.equal(currentRoom(inLobby).older, 'none');
});

// ---- no more rows than a page bears ----

const olderPage = (before, messages) => ({ type: 'older.loaded', room: 'lobby', before, messages, hasMore: messages[0].seq > 1 });
const newerPage = (after, messages) => ({ type: 'newer.loaded', room: 'lobby', after, messages });
const newerAsked = { type: 'newer.asked', room: 'lobby' };
const full = run(signedIn, history(lines(5001, 5000 + MOST_ROWS)));
const ends = (state) => [seqs(state)[0], seqs(state).at(-1)];

test('at the end the oldest rows leave when there are too many', () => {
  const state = run(full, message(5001 + MOST_ROWS));
  assert.deepEqual(ends(state), [5102, 5001 + MOST_ROWS]);
  assert.equal(currentRoom(state).older, 'idle');
  assert.deepEqual(ends(run(signedIn, history(lines(5001, 5101 + MOST_ROWS)))), [5202, 5101 + MOST_ROWS]);
});

test('for a reader further up what is new does not come into a full page, and is at hand', () => {
  const away = run(full, reader(false), message(5001 + MOST_ROWS), message(5002 + MOST_ROWS));
  assert.deepEqual(ends(away), [5001, 5000 + MOST_ROWS]);
  assert.equal(currentRoom(away).unseen, 2);
  assert.equal(drawn(away).at(-1), 'bottom');
  assert.deepEqual(drawn(run(away, waiting('one'))).slice(-2), [5000 + MOST_ROWS, 'bottom'], 'what waits comes after the newest');
  const down = run(away, newerAsked);
  assert.deepEqual(ends(down), [5003, 5002 + MOST_ROWS]);
  assert.equal(currentRoom(down).newer, 'idle', 'nothing needs to be loaded');
  assert.deepEqual(currentRoom(down).tail, []);
});

test('who reads on upwards loses the newest, and finds them again by reading down, without a hole', () => {
  let state = run(full, reader(false));
  for (let first = 5001; first > 1; first -= 100) {
    state = run(state, { type: 'older.asked', room: 'lobby' }, olderPage(first, lines(first - 100, first - 1)));
    assert.ok(seqs(state).length <= MOST_ROWS);
  }
  assert.deepEqual(ends(state), [1, MOST_ROWS]);
  assert.equal(currentRoom(state).older, 'none');
  for (let seq = 5001 + MOST_ROWS; seq <= 5300 + MOST_ROWS; seq += 1) state = run(state, message(seq));
  assert.equal(currentRoom(state).tail.length, 200);
  while (currentRoom(state).tail.length > 0) {
    state = run(state, newerAsked);
    const [, last] = ends(state);
    if (currentRoom(state).newer === 'loading') state = run(state, newerPage(last, lines(last + 1, last + 100)));
    assert.ok(seqs(state).length <= MOST_ROWS);
    assert.deepEqual(seqs(state), lines(...ends(state)).map(({ seq }) => seq));
  }
  assert.deepEqual(ends(state), [5301, 5300 + MOST_ROWS]);
  assert.equal(currentRoom(state).older, 'idle');
  assert.deepEqual(ends(run(state, message(5301 + MOST_ROWS))), [5301, 5300 + MOST_ROWS], 'still further up');
});

test('who asks for the newest from far up has them at once, and goes on from there', () => {
  const far = run(full, reader(false), olderPage(5001, lines(4901, 5000)), people(['carol'], []), message(5001 + MOST_ROWS));
  assert.deepEqual(ends(far), [4901, 4900 + MOST_ROWS]);
  assert.ok(!drawn(far).includes('traffic'), 'it stands behind a message that is not here');
  const back = run(far, reader(true));
  assert.deepEqual(ends(back), [5002, 5001 + MOST_ROWS], 'the rows and what is at hand meet');
  let further = run(far, olderPage(4901, lines(4601, 4900)));
  assert.deepEqual(ends(run(further, reader(true))), [5001 + MOST_ROWS - 199, 5001 + MOST_ROWS]);
  further = run(further, reader(true), message(5002 + MOST_ROWS), olderPage(5001 + MOST_ROWS - 199, lines(6000, 5001 + MOST_ROWS - 200)));
  assert.deepEqual(ends(further), [6000, 5002 + MOST_ROWS]);
  assert.deepEqual(seqs(further), lines(...ends(further)).map(({ seq }) => seq));
});

test('a page that does not belong to these rows any more is not put there', () => {
  const away = run(full, reader(false), olderPage(5001, lines(4501, 5000)), newerAsked);
  assert.equal(currentRoom(away).newer, 'loading');
  const back = run(away, reader(true), newerPage(4500 + MOST_ROWS, lines(4501 + MOST_ROWS, 4600 + MOST_ROWS)));
  assert.deepEqual(ends(back), [4801 + MOST_ROWS, 5000 + MOST_ROWS]);
  assert.equal(currentRoom(run(away, { type: 'newer.failed', room: 'lobby' })).newer, 'failed');
  assert.deepEqual(ends(run(full, olderPage(5001, lines(4901, 5000)))), ends(full), 'a full page at the end takes no older ones');
});

test('a resume far up keeps the place and counts; another log starts over', () => {
  const away = run(full, reader(false), olderPage(5001, lines(4501, 5000)));
  const resumed = run(away, status('waiting'), status('connected'), resume(lines(5001 + MOST_ROWS, 5010 + MOST_ROWS)));
  assert.deepEqual(ends(resumed), ends(away));
  assert.equal(currentRoom(resumed).unseen, 10);
  assert.equal(currentRoom(resumed).tail.at(-1).seq, 5010 + MOST_ROWS);
  const other = run(away, resume(lines(1, 7), { recovered: false, reason: 'log_changed', gap: { after: 7000, before: 7001, reason: 'log_changed' } }));
  assert.deepEqual(seqs(other), [1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(currentRoom(other).tail, []);
});

test('the thread stands in chunks that stay the same while it grows at either end', () => {
  const pieces = (state) => chunks(thread(currentRoom(state), 'alice'));
  const state = run(inLobby, history(lines(1001, 1120), { gap: { after: 3, before: 1001, reason: 'too_far' } }), people(['carol'], []), message(1121));
  assert.deepEqual(pieces(run(state, waiting('one'))).map(({ key }) => key), ['top', 'from:20', 'from:21', 'from:22', 'end']);
  assert.deepEqual(pieces(state).flatMap(({ items }) => items), thread(currentRoom(state), 'alice'));
  assert.deepEqual(pieces(state)[1].items.slice(0, 3).map(({ kind }) => kind), ['gap', 'day', 'message']);
  const grown = pieces(run(state, olderPage(1001, lines(901, 1000)), message(1122)));
  assert.deepEqual(grown.slice(1, 4).map(({ key }) => key), ['from:18', 'from:19', 'from:20']);
  assert.deepEqual(grown[4].items.map(({ key }) => key), pieces(state)[2].items.map(({ key }) => key));
  assert.deepEqual(pieces(run(signedIn, history([]))).map(({ key }) => key), ['top']);
});

test('what arrives while the reader is elsewhere is counted, own messages not', () => {
  const state = run(inLobby, reader(false), message(4), message(5, { username: 'alice' }), message(6));
  assert.equal(currentRoom(state).unseen, 2);
  assert.equal(currentRoom(run(state, reader(true))).unseen, 0);
});

// ---- people ----

test('comings and goings between two messages are one line; each person counts by the last thing done', () => {
  const state = run(inLobby, people(['carol'], []), people(['dave'], []), people([], ['carol']), message(4), people(['erin'], []));
  assert.deepEqual(drawn(state).slice(-4), [3, 'traffic', 4, 'traffic']);
  const [first] = currentRoom(state).notes;
  assert.deepEqual([first.joined, first.left], [['dave'], ['carol']]);
  assert.equal(trafficLine(first.joined, first.left), 'dave joined · carol left');
});

test('who was here before a loss and comes back after it has not joined', () => {
  const lost = run(inLobby, people([], [], ['alice', 'bob', 'carol']), status('waiting'), status('connected'), people([], [], ['alice']));
  const back = run(lost, people(['bob'], [], ['alice', 'bob']), people(['dave'], [], ['alice', 'bob', 'dave']));
  assert.deepEqual(currentRoom(back).notes.map(({ joined }) => joined), [['dave']]);
  // Who comes back and goes and comes has.
  const again = run(back, people([], ['bob'], ['alice', 'dave']), people(['bob'], [], ['alice', 'bob', 'dave']));
  assert.deepEqual(currentRoom(again).notes.at(-1).joined, ['dave', 'bob']);
  // A second list of the same does not forget them, but time does.
  const listed = run(lost, people([], [], ['alice']));
  assert.deepEqual(currentRoom(run(listed, people(['carol'], [], ['alice', 'carol']))).notes, []);
  const late = { ...people(['carol'], [], ['alice', 'carol']), now: NOW + 60_000 };
  assert.deepEqual(currentRoom(run(listed, late)).notes.at(-1).joined, ['carol']);
});

test('own comings, and lists without a change, are no line', () => {
  assert.deepEqual(drawn(run(inLobby, people(['alice'], []), people([], [], ['alice']))), drawn(inLobby));
});

test('a wall of joins is one short line', () => {
  assert.equal(trafficLine(Array.from({ length: 1500 }, (_, index) => `p${index}`), []), 'p0, p1 and 1,498 others joined');
});

test('keys are unique whatever happens', () => {
  let state = inLobby;
  for (let round = 0; round < 20; round += 1) {
    const next = currentRoom(state).rows.at(-1).seq + 1;
    state = run(state, people([`p${round}`], []), resume([line(next)]), people([], [`p${round}`]), { type: 'room.announcement', room: 'lobby', text: 'x', now: NOW }, people(['z'], []), waiting(`w${round}`));
  }
  const keys = thread(currentRoom(state), 'alice').map(({ key }) => key);
  assert.equal(new Set(keys).size, keys.length);
});

test('who types is told until the message comes, the person leaves or time passes', () => {
  const typing = { type: 'room.typing', room: 'lobby', username: 'bob', now: NOW };
  assert.deepEqual(Object.keys(currentRoom(run(inLobby, typing)).typing), ['bob']);
  assert.deepEqual(currentRoom(run(inLobby, typing, message(4))).typing, {});
  assert.deepEqual(currentRoom(run(inLobby, typing, people([], ['bob']))).typing, {});
  assert.equal(typingLine(['bob']), 'bob is typing');
});

test('names that objects have anyway are names like others', () => {
  const state = run(inLobby, message(4, { username: 'constructor' }), { type: 'room.typing', room: 'lobby', username: '__proto__', now: NOW }, message(5, { username: 'toString' }), { type: 'room.opened', room: 'constructor', read: null });
  assert.deepEqual(seqs(state), [1, 2, 3, 4, 5]);
  assert.equal(state.rooms.constructor.name, 'constructor');
  assert.deepEqual(Object.keys(currentRoom(state).typing), ['__proto__']);
});

// ---- the thread ----

test('one person’s messages close together are one group; others, pauses, days and notes end it', () => {
  const at = (seq, username, minutes) => ({ seq, id: `m${seq}`, username, message: 'x', timestamp: new Date(NOW + minutes * 60_000).toISOString() });
  const state = run(signedIn, history([at(1, 'bob', 0), at(2, 'bob', 1), at(3, 'carol', 2), at(4, 'carol', 12), at(5, 'carol', 13), at(6, 'carol', 60 * 30)]), people(['dave'], []), { type: 'room.message', room: 'lobby', message: at(7, 'carol', 60 * 30) });
  const heads = thread(currentRoom(state), 'alice').flatMap((item) => (item.kind === 'message' ? [item.head] : []));
  assert.deepEqual(heads, [true, false, true, true, false, true, true]);
  assert.equal(drawn(state).filter((kind) => kind === 'day').length, 2);
});

test('an empty room says so, but not before it is known to be empty', () => {
  const top = (state) => thread(currentRoom(state), 'alice')[0].empty;
  assert.equal(top(signedIn), false);
  assert.equal(top(run(signedIn, history([]))), true);
  assert.equal(top(run(signedIn, history([]), waiting('one'))), false);
});

test('a part that could not be loaded is told where it can be seen, until it is there', () => {
  const open = run(inLobby, { type: 'drawer', drawer: 'menu' });
  const told = run(open, { type: 'missing', missing: { part: 'password', reload: false } });
  assert.deepEqual([told.missing.part, told.drawer], ['password', 'none'], 'the line lies under the drawer');
  assert.deepEqual(run(open, { type: 'missing', missing: null }).drawer, 'menu');
  assert.equal(run(told, { type: 'session.closed' }).missing, null);
  assert.notEqual(missingLine({ part: 'jump' }), missingLine({ part: 'password' }));
});

test('each room has a draft of its own; what only other windows know comes beside it', () => {
  const draft = (room, text) => ({ type: 'draft', room, text });
  const state = run(inLobby, draft('lobby', 'half a'), draft('garden', 'ro'), draft('garden', 'roses'), draft('pond', 'x'), draft('pond', ' '));
  assert.deepEqual(state.drafts, { lobby: 'half a', garden: 'roses' });
  assert.deepEqual(run(state, { type: 'drafts', drafts: { lobby: 'theirs', pond: 'fish' } }).drafts, { lobby: 'half a', pond: 'fish' });
  assert.deepEqual(run(state, { type: 'session.closed' }).drafts, {});
  assert.deepEqual(run(initialState('system', NOW), { type: 'session.opened', username: 'alice', now: NOW, drafts: { lobby: 'kept' } }).drafts, { lobby: 'kept' });
});

test('a word about what was done stands for a while, and goes when one goes elsewhere', () => {
  const told = (undo) => run(inLobby, { type: 'told', text: 'Done.', undo, now: NOW });
  const after = (state, ms) => run(state, { type: 'tick', now: NOW + ms }).told?.text;
  assert.deepEqual([after(told(null), 9_000), after(told(null), 10_000)], ['Done.', undefined]);
  assert.deepEqual([after(told('garden'), 19_000), after(told('garden'), 20_000)], ['Done.', undefined]);
  assert.equal(run(told('garden'), { type: 'entered', room: 'garden' }).told, null);
});

test('what comes late for a room that was left does not bring it back', () => {
  const left = run(inLobby, { type: 'left', room: 'lobby' });
  for (const late of [olderPage(1, lines(1, 1)), { type: 'older.failed', room: 'lobby' }, { type: 'room.typing', room: 'lobby', username: 'bob', now: NOW }]) assert.deepEqual(run(left, late).rooms, {}, late.type);
});

test('a room that does not exist is no empty one', () => {
  const [top] = thread(currentRoom(run(signedIn, { type: 'room.closed', room: 'lobby', reason: 'No such room.', missing: true })), 'alice');
  assert.deepEqual([top.missing, top.empty], [true, false]);
});

test('who is alone in an empty room is the first; who is not there yet does not know', () => {
  const alone = (...events) => thread(currentRoom(run(signedIn, history([]), ...events)), 'alice')[0].alone;
  assert.equal(alone(), false);
  assert.equal(alone(people([], [], ['alice'])), true);
  assert.equal(alone(people([], [])), false);
});

test('what would be lost by leaving is said', () => {
  assert.equal(unsentLine(0, 0), '');
  assert.equal(unsentLine(1, 0), 'One message is not sent yet.');
  assert.equal(unsentLine(0, 1), 'A draft is not sent yet.');
  assert.equal(unsentLine(2, 1), '2 messages and a draft are not sent yet.');
  assert.equal(unsentLine(0, 1, ['ideas']), 'A draft is not sent yet. It is in ideas.');
  assert.equal(unsentLine(1, 4, ['lobby', 'ideas', 'general', 'quiet']), 'One message and 4 drafts are not sent yet. They are in lobby, ideas and 2 others.');
});

test('who blocks notifications is told where to allow them', () => {
  assert.match(troubleLine('denied'), /Allow them in/);
});

test('what is new in a place is said in words', () => {
  assert.equal(newsWords({ unread: 0, mentions: 0, draft: false }), '');
  assert.equal(newsWords({ unread: 3, mentions: 1, draft: true }), '3 unread, one names you, a draft');
});

// ---- the session ----

test('nothing of one person’s session is left for the next', () => {
  const state = run(inLobby, waiting('one'), { type: 'theme', theme: 'dark' }, { type: 'session.closed' });
  assert.deepEqual(state, { ...initialState('dark', NOW), limits: state.limits });
});

test('the limits of the server hold as soon as it tells them', () => {
  const server = { name: 'Tea', version: '1', registration: 'closed', demoAccounts: false, limits: { ...DEFAULT_LIMITS, messageChars: 20 } };
  const state = run(initialState('system', NOW), { type: 'server.known', server });
  assert.equal(state.limits.messageChars, 20);
  assert.equal(run(state, { type: 'welcomed', username: 'alice', limits: DEFAULT_LIMITS }).limits.messageChars, 500);
});

test('the status line says what is, and never more', () => {
  const says = (...events) => statusLine(run(signedIn, ...events)).text;
  assert.equal(says(status('connecting')), 'Connecting');
  assert.equal(says(), 'Opening the room');
  assert.equal(says(history(lines(1, 3))), 'Connected');
  assert.equal(says(history(lines(1, 3)), status('connecting')), 'Reconnecting');
  assert.equal(says(history(lines(1, 3)), status('waiting', { retryInMs: 3400 })), 'Reconnecting in 4 s');
  assert.equal(says(history(lines(1, 3)), status('waiting', { retryInMs: 3400 }), { type: 'tick', now: NOW + 9000 }), 'Reconnecting now');
  assert.equal(says(status('waiting', { retryInMs: 3400, reason: 'too_many_sockets' })), 'Too many windows. Again in 4 s');
  assert.match(says(history(lines(1, 3)), status('offline', { retryInMs: 3400 })), /^Offline/);
  assert.equal(says(history(lines(1, 3)), status('connecting'), status('connected')), 'Catching up');
  assert.match(says(history(lines(1, 3)), resume([line(4)])), /^Back$/);
  assert.match(says({ type: 'room.closed', room: 'lobby', reason: 'No such room.', missing: false }), /No such room/);
  assert.equal(says({ type: 'room.closed', room: 'lobby', reason: 'No such room.', missing: true }), 'Connected', 'the thread says that there is none');
});

test('who writes faster than the server takes is told so, and for how long', () => {
  const says = (...events) => statusLine(run(inLobby, ...events)).text;
  const paced = { type: 'paced', nextInMs: 7_400, now: NOW };
  assert.equal(says(waiting('one'), paced), 'You write faster than this server takes; next in 8 s');
  assert.equal(says(waiting('one'), paced, { type: 'tick', now: NOW + 7_400 }), 'Connected');
  assert.equal(says(waiting('one'), paced, { type: 'paced', nextInMs: null, now: NOW }), 'Connected');
  assert.equal(says(paced), 'Connected', 'nothing waits here');
});

test('errors of the entrance stand where they can be mended', () => {
  const where = (code) => Object.keys(entranceErrors(new ChorusError(code, 'No.'), 'register'))[0];
  assert.deepEqual(['username_taken', 'invalid_username', 'invalid_password', 'invalid_credentials', 'rate_limited', 'network', 'brand_new'].map(where), ['username', 'username', 'password', 'password', 'form', 'form', 'form']);
  assert.deepEqual(Object.keys(entranceProblems('al', 'short', 'register', DEFAULT_LIMITS)), ['username', 'password']);
  assert.deepEqual(entranceProblems('alice', '👍'.repeat(8), 'register', DEFAULT_LIMITS), {});
  assert.deepEqual(entranceProblems('al', 'x', 'signin', DEFAULT_LIMITS), {});
  assert.deepEqual(Object.keys(entranceProblems('', 'x', 'signin', DEFAULT_LIMITS)), ['username']);
});

test('a name has one hue, in any case, and names spread over the circle', () => {
  assert.equal(hue('Alice'), hue('alice'));
  const sectors = new Set(Array.from({ length: 200 }, (_, index) => Math.floor(hue(`user${index}`) / 30)));
  assert.equal(sectors.size, 12);
});
