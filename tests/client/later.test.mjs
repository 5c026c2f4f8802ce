// What is loaded when somebody asks for it.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { later, warm } from '../../client/later.js';

/** A load whose end the test decides. */
function held() {
  const ends = [];
  const load = later(() => new Promise((resolve, reject) => ends.push({ resolve, reject })));
  return { load, ends };
}

test('is loaded once, however often it is asked for', async () => {
  const { load, ends } = held();
  const asked = [load(), load()];
  ends[0].resolve('here');
  assert.deepEqual(await Promise.all(asked), ['here', 'here']);
  assert.equal(await load(), 'here');
  assert.equal(ends.length, 1);
});

test('a load that failed fails for all who asked, and the next who asks tries again', async () => {
  const { load, ends } = held();
  const asked = [load(), load()];
  ends[0].reject(new Error('no network'));
  for (const one of asked) await assert.rejects(one, /no network/);
  const again = load();
  ends[1].resolve('here');
  assert.equal(await again, 'here');
});

test('nobody waits without end, and what took too long is not begun twice', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { load, ends } = held();
    const asked = load();
    mock.timers.tick(20_000);
    await assert.rejects(asked, /too long/);
    const again = load();
    ends[0].resolve('late');
    assert.equal(await again, 'late');
    assert.equal(ends.length, 1);
  } finally {
    mock.timers.reset();
  }
});

test('what nobody asked for is loaded after a pause; what fails is tried again, ever more rarely, and not for ever', async () => {
  globalThis.window = {};
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  try {
    const tries = [];
    let good = 0;
    const load = later(async () => {
      tries.push(Date.now());
      throw new Error('no network');
    });
    const other = later(async () => (good += 1));
    const over = warm([load, other]);
    assert.deepEqual(tries, []);
    for (let passed = 0; passed < 3_600_000; passed += 1_000) {
      mock.timers.tick(1_000);
      await settled();
    }
    await over;
    const pauses = tries.map((at, index) => at - (tries[index - 1] ?? 0));
    assert.deepEqual(pauses, [3_000, 6_000, 12_000, 24_000, 48_000, 96_000, 192_000, 384_000]);
    assert.equal(good, 1);
  } finally {
    mock.timers.reset();
    delete globalThis.window;
  }
});
