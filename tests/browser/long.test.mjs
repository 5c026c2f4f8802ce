// A room with more said in it than a page bears: read up to its beginning, down again, and left at once by
// the button, while others go on talking. Nothing jumps, nothing is missing, and the page does not grow.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { scrollTo } from '../../bench/browser/page.mjs';
import { assertUnbroken, eventually, Person, Program, Server } from './house.mjs';
import { browser } from './scene.mjs';

const SAID = 2_400;
const MOST_ROWS = 2_000;
const LIMIT_MS = 60_000;

describe('a long room', () => {
  let server, writer, alice;

  before(async () => {
    server = await Server.start({ MESSAGE_LIMIT: '100000' });
    writer = await Program.signIn(server, 'writer');
    for (let said = 0; said < SAID; said += 50) await Promise.all(Array.from({ length: 50 }, (_, index) => writer.say(line(said + index + 1))));
    alice = await Person.at(browser, server.url);
    await alice.register('alice');
    await alice.page.locator(`#thread [data-seq="${SAID}"]`).waitFor();
  });
  after(async () => {
    await alice?.context.close();
    await server?.stop();
  });

  // Rows of different heights, so that one of unknown height would be noticed.
  const line = (number) => Array.from({ length: 1 + (number % 4) }, (_, index) => `line ${number} ${'word '.repeat((number * 7 + index) % 20)}`).join('\n');
  const newest = () => alice.page.locator('#thread [data-seq]').last().getAttribute('data-seq').then(Number);

  async function read(goal, step) {
    const found = await alice.page.evaluate(scrollTo, { goal, step, limitMs: LIMIT_MS });
    assert.ok(found.arrived, `did not come to ${goal}`);
    assert.ok(found.jump <= 1, `a row jumped by ${found.jump} px`);
    assert.ok(found.mostRows <= MOST_ROWS, `${found.mostRows} rows`);
    assert.equal(found.broken, 0, 'numbers were missing');
  }

  test('is read up to its beginning without a jump', async () => {
    await read(1, -700);
    assert.equal(await newest(), MOST_ROWS, 'the newest have left');
    const far = alice.page.locator('#thread .chunk').last();
    const isDrawn = () => far.evaluate((chunk) => chunk.firstElementChild.checkVisibility({ contentVisibilityAuto: true }));
    await eventually(async () => assert.equal(await isDrawn(), false, 'what is out of sight is not drawn'));
  });

  test('what is said meanwhile is counted, and is found by reading down', async () => {
    for (let number = 1; number <= 3; number += 1) await writer.say(`meanwhile ${number}`);
    await alice.page.getByRole('button', { name: '3 new messages' }).waitFor();
    assert.equal(await newest(), MOST_ROWS);
    await read(SAID + 3, 700);
    await alice.page.evaluate(() => (document.getElementById('scroll').scrollTop = 1e9));
    await alice.page.waitForFunction(() => document.getElementById('newer').hidden);
    await writer.say('at the end again');
    await alice.hears('at the end again');
    assertUnbroken(await alice.rows());
  });

  test('the button leads to the newest at once, and older ones are there above them', async () => {
    // So far that what is at hand of the newest does not follow on what is in the page.
    await read(100, -700);
    await writer.say('far below');
    await alice.page.getByRole('button', { name: '1 new message' }).click();
    await alice.hears('far below');
    await alice.page.waitForFunction(() => document.getElementById('newer').hidden);
    const rows = await alice.rows();
    assertUnbroken(rows);
    assert.deepEqual(rows.at(-1), [SAID + 5, 'far below']);
    await read(rows[0][0] - 200, -700);
    assert.equal(await newest(), SAID + 5);
  });

  test('what one says far up is said at the end, and shown', async () => {
    await read(400, -700);
    await alice.say('my word');
    await alice.hears('my word');
    assertUnbroken(await alice.rows());
    assert.equal(await newest(), SAID + 6);
    alice.hadNothingToComplainOf();
  });
});
