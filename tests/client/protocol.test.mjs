import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMessageId, uuid7 } from '../../client/sdk/outbox.js';
import { backoff } from '../../client/sdk/clock.js';
import { acceptedText, countChars, DEFAULT_LIMITS, mayTryAgain, parseFrame, parseLimits } from '../../client/sdk/protocol.js';

const parsed = (frame) => parseFrame(JSON.stringify(frame));
const message = { seq: 58, id: '0198', username: 'alice', message: 'Hello', timestamp: '2026-01-02T03:04:05.678Z' };

/** One of each, as PROTOCOL.md writes them. */
const FRAMES = [
  { type: 'welcome', protocol: 'chorus.v1', username: 'alice', build: 'b', limits: { ...DEFAULT_LIMITS }, expiresAt: '2026-01-02T04:04:05Z' },
  { type: 'joined', room: 'lobby', seq: 57, recovered: true, reason: null, hasMore: false, messages: [message], users: ['alice'], userCount: 2, version: 7 },
  { type: 'message', room: 'lobby', ...message },
  { type: 'ack', id: '0198', room: 'lobby', seq: 58, timestamp: 't', duplicate: true },
  { type: 'userList', room: 'lobby', users: ['alice', 'bob'], userCount: 2, version: 8 },
  { type: 'presence', room: 'lobby', joined: ['carol'], left: [], userCount: 3, version: 9 },
  { type: 'typing', room: 'lobby', username: 'bob' },
  { type: 'announcement', message: 'Soon' },
  { type: 'renewed', expiresAt: 't' },
  { type: 'reconnect', afterMs: 1830 },
  { type: 'error', code: 'message_too_long', message: 'm', id: '0198', ref: null, retryAfterMs: null },
];

test('every frame of the protocol is read as it is written', () => {
  for (const frame of FRAMES) assert.deepEqual(parsed(frame), frame);
});

test('unknown fields are ignored, and so are unknown types', () => {
  assert.deepEqual(parsed({ ...FRAMES[6], colour: 'red', ref: 'x' }), FRAMES[6]);
  assert.equal(parsed({ type: 'reaction', room: 'lobby' }), null);
});

test('what is no frame is none, and nothing throws', () => {
  for (const text of ['', '{', 'null', '[]', '7', '"x"', '{}', '{"type":7}', '{"type":"constructor"}', '{"type":"__proto__"}', '{"type":"toString"}']) {
    assert.equal(parseFrame(text), null, text);
  }
});

test('a frame without a field it needs, or with one of a wrong kind, is none', () => {
  const optional = new Set(['type', 'build', 'limits', 'recovered', 'reason', 'hasMore', 'duplicate', 'ref', 'retryAfterMs']);
  for (const frame of FRAMES) {
    for (const field of Object.keys(frame)) {
      if (optional.has(field) || (frame.type === 'error' && field !== 'code')) continue;
      const { [field]: _, ...without } = frame;
      assert.equal(parsed(without), null, `${frame.type} without ${field}`);
      assert.equal(parsed({ ...frame, [field]: { a: 1 } }), null, `${frame.type} with a wrong ${field}`);
    }
  }
  for (const seq of [-1, 1.5, '7', 2 ** 53, null]) assert.equal(parsed({ ...FRAMES[2], seq }), null);
  assert.equal(parsed({ ...FRAMES[1], messages: [{ ...message, seq: 'x' }] }), null);
});

test('a join that is not recovered has a reason, the mildest if the server gave none we know', () => {
  const joined = { ...FRAMES[1], recovered: false };
  assert.equal(parsed({ ...joined, reason: 'too_far' }).reason, 'too_far');
  assert.equal(parsed({ ...joined, reason: 'moonlight' }).reason, 'fresh');
});

test('limits the server does not name keep their defaults', () => {
  assert.deepEqual(parseLimits({ messageChars: 20, messages: 0, colour: 3 }), { ...DEFAULT_LIMITS, messageChars: 20 });
  assert.deepEqual(parseLimits(null), DEFAULT_LIMITS);
});

test('text is cut to what the server takes, and counted as it counts', () => {
  assert.equal(acceptedText('  a\u0000b\u0007\r\n\tc\u0085 \n'), 'ab\n\tc');
  assert.equal(acceptedText('x\uD83D'), 'x\uFFFD');
  assert.equal(acceptedText('👍'), '👍');
  assert.equal(countChars('👍é'), 2);
});

test('what may be tried again is what the table says', () => {
  for (const code of ['rate_limited', 'too_many_sockets', 'unavailable', 'draining', 'outcome_unknown', 'internal']) assert.ok(mayTryAgain(code));
  for (const code of ['message_too_long', 'id_conflict', 'unauthorized', 'brand_new_code']) assert.ok(!mayTryAgain(code));
});

test('ids are UUIDs of version 7 that sort in the order they were made, also when the clock goes back', () => {
  let now = 1_700_000_000_000;
  const next = uuid7(() => now);
  const ids = [];
  for (let made = 0; made < 10_000; made += 1) {
    if (made % 3000 === 2999) now += made % 2 ? 5 : -60_000;
    ids.push(next());
  }
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual([...ids].sort(), ids);
  assert.ok(isMessageId(ids[0]) && !isMessageId('') && !isMessageId('a b') && !isMessageId('x'.repeat(65)));
});

test('the wait grows from half a second to thirty, with full jitter', () => {
  const longest = (attempt) => backoff(attempt, () => 1);
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6, 7, 500].map(longest), [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  assert.equal(backoff(9, () => 0), 0);
});
