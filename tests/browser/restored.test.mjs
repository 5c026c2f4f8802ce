// A server whose log was restored from an earlier state: the numbers begin again at some point, and what
// the page showed under them before must not stand there any more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertUnbroken, eventually, NETWORK, Person, Program, Server } from './house.mjs';
import { browser } from './scene.mjs';

test('after a restore the page shows what is in the log now, and says that it changed', async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const writer = await Program.signIn(server, 'writer');
  const alice = await Person.at(browser, server.url);
  alice.expected.push(...NETWORK, /status of 503/);
  await alice.register('alice');
  for (const text of ['one', 'two']) await writer.say(text);
  await alice.hears('two');

  await server.comesBack({}, async () => {
    await alice.cutOff();
    await server.remember();
  });
  await alice.comesBack();
  for (const text of ['lost three', 'lost four']) await writer.say(text);
  await alice.hears('lost four');

  await server.comesBack({}, async () => {
    await alice.cutOff();
    await server.forgetWhatCameLater();
  });
  for (const text of ['new three', 'new four', 'new five']) await writer.say(text);
  await alice.comesBack();
  await alice.hears('new five');
  await alice.page.locator('.gap.log_changed').waitFor();
  await eventually(async () => {
    const rows = await alice.rows();
    assertUnbroken(rows);
    assert.deepEqual(rows.map(([, text]) => text), ['one', 'two', 'new three', 'new four', 'new five']);
  });
  alice.hadNothingToComplainOf();
});
