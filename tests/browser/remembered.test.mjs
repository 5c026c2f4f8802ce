// Staying signed in without a token: the cookie, in a real browser.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, Person, Server } from './house.mjs';
import { browser } from './scene.mjs';

describe('a browser that is remembered', () => {
  let server, alice;

  before(async () => {
    server = await Server.start({ TOKEN_TTL_SECONDS: '3600' });
    alice = await Person.at(browser, server.url);
    await alice.register('alice');
  });
  after(async () => {
    await alice?.context.close();
    await server?.stop();
  });

  const session = async () => (await alice.context.cookies(`${server.url}/refresh`)).find(({ name }) => name === 'chorus_session');

  test('has a cookie that no script sees and no other path gets', async () => {
    const cookie = await session();
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path, cookie.secure], [true, 'Strict', '/refresh', false]);
    assert.ok(cookie.expires - Date.now() / 1000 > 13.9 * 86_400);
    assert.equal(await alice.page.evaluate(() => document.cookie), 'chorus_remembered=1');
  });

  test('comes in past the entrance when its token is gone, in several windows at once', async () => {
    const before = await session();
    await alice.page.evaluate(() => localStorage.clear());
    const others = await Promise.all([1, 2].map(() => Person.at(browser, server.url, { context: alice.context })));
    await alice.page.reload();
    for (const person of [alice, ...others]) await person.connected();
    assert.notEqual((await session()).value, before.value, 'it changes at each use');
    for (const person of others) {
      person.hadNothingToComplainOf();
      await person.page.close();
    }
  });

  test('is signed in again when the token it kept does not do any more', async () => {
    // The page's refused ticket is no complaint.
    alice.expected.push(/status of 401/);
    await alice.page.evaluate(() => {
      const kept = JSON.parse(localStorage.getItem('chorus.session') ?? '{}');
      localStorage.setItem('chorus.session', JSON.stringify({ ...kept, token: 'expired', expiresAt: '2020-01-01T00:00:00Z' }));
    });
    await alice.page.reload();
    await alice.connected();
  });

  test('has forgotten everything after signing out', async () => {
    await alice.signOut();
    await alice.atTheEntrance();
    await alice.page.waitForFunction(() => document.cookie === '');
    await eventually(async () => assert.equal(await session(), undefined, 'the cookie is still there'));
    await alice.page.reload();
    await alice.atTheEntrance();
    alice.hadNothingToComplainOf();
  });
});
