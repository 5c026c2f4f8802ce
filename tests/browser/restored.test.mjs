// A server whose log was restored from an earlier state: the numbers begin again at some point, and what
// the page showed under them before must not stand there any more.
import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { test } from 'node:test';
import { assertUnbroken, launch, Person, Program, Server } from './house.mjs';

test('after a restore the page shows what is in the log now, and says that it changed', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const server = await Server.start();
  const copy = `${server.directory}-copy`;
  t.after(async () => {
    await server.stop();
    await rm(copy, { recursive: true, force: true });
  });
  const writer = await Program.signIn(server, 'writer');
  const alice = await Person.at(browser, server.url);
  alice.expected.push(/net::ERR_/, /WebSocket connection to/, /status of 503/);
  await alice.register('alice');
  for (const text of ['one', 'two']) await writer.say(text);
  await alice.hears('two');

  await server.crash();
  await cp(server.directory, copy, { recursive: true });
  await server.run();
  await alice.connected();
  for (const text of ['lost three', 'lost four']) await writer.say(text);
  await alice.hears('lost four');

  await server.crash();
  await rm(server.directory, { recursive: true });
  await cp(copy, server.directory, { recursive: true });
  await server.run();
  for (const text of ['new three', 'new four', 'new five']) await writer.say(text);
  await alice.hears('new five');
  await alice.page.locator('.gap.log_changed').waitFor();
  const rows = await alice.rows();
  assertUnbroken(rows);
  assert.deepEqual(rows.map(([, text]) => text), ['one', 'two', 'new three', 'new four', 'new five']);
  assert.deepEqual(alice.complaints(), []);
});
