// What this browser keeps for people: their drafts and their rooms, of some rooms and of some people.
import assert from 'node:assert/strict';
import { test } from 'node:test';

/** As a browser has it: what is kept are its own keys. */
class Kept {
  getItem(key) {
    return Object.hasOwn(this, key) ? this[key] : null;
  }
  setItem(key, value) {
    this[key] = value;
  }
  removeItem(key) {
    delete this[key];
  }
}
const storage = new Kept();
globalThis.window = { localStorage: storage };
const keep = await import('../../client/keep.js');

test('each room keeps a draft of its own, and each person theirs', () => {
  keep.keepDraft('alice', 'lobby', 'half a');
  keep.keepDraft('alice', 'constructor', 'another');
  keep.keepDraft('bob', 'lobby', 'his own');
  assert.deepEqual(keep.keptDrafts('alice'), { lobby: 'half a', constructor: 'another' });
  keep.keepDraft('alice', 'lobby', '');
  assert.deepEqual(keep.keptDrafts('alice'), { constructor: 'another' });
  keep.keepDraft('alice', 'constructor', '');
  assert.ok(!Object.keys(storage).some((key) => key.includes('alice')));
  keep.forgetDrafts('bob');
  assert.deepEqual(keep.keptDrafts('bob'), {});
});

test('drafts are bounded in number and size, the latest stay', () => {
  for (let room = 0; room < 60; room += 1) keep.keepDraft('carol', `room-${room}`, 'x'.repeat(20_000));
  const kept = Object.entries(keep.keptDrafts('carol'));
  assert.deepEqual([kept.length, kept[0][0], kept.at(-1)[0], kept[0][1].length], [50, 'room-10', 'room-59', 10_000]);
});

test('what somebody else put there is no draft', () => {
  for (const wrong of ['null', '[]', '{"lobby":7,"No Room":"x"}', 'nonsense']) {
    storage.setItem('chorus:drafts:dave', wrong);
    assert.deepEqual(keep.keptDrafts('dave'), {});
  }
});

test('the rooms of five people are kept, of those who were here last', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000 });
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
    keep.forgetOthers(name);
    keep.keepPlaces(name, { rooms: ['lobby', `of-${name}`], current: `of-${name}` });
    keep.keepRead(name, new Map([['lobby', 7]]));
    t.mock.timers.tick(1_000);
  }
  assert.deepEqual(['a', 'b', 'f'].map((name) => keep.keptPlaces(name).rooms.length), [0, 2, 2]);
  assert.deepEqual(['a', 'b'].map((name) => keep.keptRead(name).size), [0, 1]);
  // Who comes back is not the next to go.
  keep.keepPlaces('b', keep.keptPlaces('b'));
  t.mock.timers.tick(1_000);
  keep.forgetOthers('g');
  assert.deepEqual(['b', 'c', 'd'].map((name) => keep.keptPlaces(name).rooms.length), [2, 0, 2]);
});
