// Two people in two browsers on a real server: the whole way from the first visit to signing out,
// on a desktop and on a phone.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnbroken, eventually, NETWORK, Person, Server, Wire } from './house.mjs';
import { browser } from './scene.mjs';

const SIZES = { desktop: [1440, 900], phone: [360, 740] };
// A server that starts answers before it can do anything.
const LOSS = [...NETWORK, /status of 503/];

for (const [device, size] of Object.entries(SIZES)) {
  describe(`on a ${device}`, () => {
    let server, wire, alice, bob;
    const picture = (person, name) => person.picture(`${device}-${name}`);

    before(async () => {
      server = await Server.start();
      wire = await Wire.to(server.port);
      alice = await Person.at(browser, wire.url, { size });
      bob = await Person.at(browser, server.url, { size, colorScheme: 'dark' });
    });
    after(async () => {
      await alice?.context.close();
      await bob?.context.close();
      wire?.close();
      await server?.stop();
    });

    test('a wrong entry is explained beside its field', async () => {
      await picture(alice, 'entrance');
      alice.expected.push(/status of 401/);
      await alice.fill('nobody_here', 'not the password');
      await alice.page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await alice.page.getByText('Wrong name or password.').waitFor();
      await alice.isOn('password');
      await alice.page.getByRole('button', { name: 'Create an account' }).click();
      await alice.fill('al', 'short');
      await alice.page.getByRole('button', { name: 'Create account' }).click();
      await alice.page.getByText('3 to 50 characters.').waitFor();
      await picture(alice, 'entrance-errors');
      await alice.page.reload();
    });

    test('both register, and see each other come', async () => {
      await alice.register('alice');
      await alice.page.getByText('You’re the first here.').waitFor();
      await picture(alice, 'empty');
      await bob.register('bob');
      await alice.sees('alice', 'bob');
      await bob.sees('alice', 'bob');
      assert.equal((await alice.people())[0], 'alice', 'you first');
      assert.equal((await bob.people())[0], 'bob', 'you first');
      await alice.page.locator('.traffic', { hasText: 'bob joined' }).waitFor();
    });

    test('they talk, and what they write stands there as they wrote it', async () => {
      await alice.say('Hello bob');
      await bob.hears('Hello bob');
      await bob.say('<img src=x onerror="document.title=1"> & <b>bold</b> &amp; 👍');
      await alice.hears('<img src=x onerror="document.title=1"> & <b>bold</b> &amp; 👍');
      await alice.composer.fill('one');
      await alice.composer.press('Shift+Enter');
      await alice.page.keyboard.type('two');
      await alice.page.keyboard.press('Enter');
      await bob.hears('one\ntwo');
      await alice.hears('one\ntwo');
      assert.deepEqual(await alice.rows(), await bob.rows());
      assertUnbroken(await bob.rows());
      await picture(alice, 'talk');
      await picture(bob, 'talk-dark');
    });

    test('a taken name is said beside the name', async () => {
      const carol = await Person.at(browser, server.url, { size });
      carol.expected.push(/status of 409/);
      await carol.page.getByRole('button', { name: 'Create an account' }).click();
      await carol.fill('ALICE');
      await carol.page.getByRole('button', { name: 'Create account' }).click();
      await carol.page.locator('#username-error', { hasText: 'This name is taken.' }).waitFor();
      carol.hadNothingToComplainOf();
      await carol.context.close();
    });

    test('the network goes and comes back: nothing missing, nothing twice', async () => {
      alice.expected.push(...LOSS);
      wire.cut();
      await alice.cutOff();
      for (const text of ['missed one', 'missed two', 'missed three']) await bob.say(text);
      await bob.hears('missed three');
      await alice.say('written without a network');
      await alice.say('and another');
      await alice.page.locator('.said.waiting .text', { hasText: 'and another' }).waitFor();
      await eventually(async () => {
        assert.equal(await alice.page.locator('.said.waiting').count(), 2);
        // Of the rows: a screen reader is told as well, in words that may be the same.
        assert.equal(await alice.page.locator('#thread').getByText('Waiting to be sent', { exact: true }).count(), 1, 'the last one says so for both');
      });
      await picture(alice, 'offline');
      wire.mend();
      await alice.comesBack();
      await bob.hears('and another');
      await alice.hears('and another');
      await alice.page.getByText('Back. 3 messages while you were away, nothing missing.').waitFor();
      await picture(alice, 'back');
      for (const person of [alice, bob]) {
        const rows = await person.rows();
        assertUnbroken(rows);
        assert.deepEqual(rows.slice(-5).map(([, text]) => text), ['missed one', 'missed two', 'missed three', 'written without a network', 'and another']);
      }
      await eventually(async () => assert.equal(await alice.page.locator('.said.waiting').count(), 0));
    });

    test('a reload keeps the conversation and the sign-in', async () => {
      const rows = await alice.rows();
      await alice.page.reload();
      await alice.connected();
      await alice.hears('and another');
      await eventually(async () => assert.deepEqual(await alice.rows(), rows));
      await alice.sees('alice', 'bob');
    });

    test('what waits survives a reload, and is sent once', async () => {
      // Only the way to a socket is closed, so that the page itself can still be loaded.
      await alice.page.route('**/ws-ticket', (route) => route.abort());
      wire.cut();
      wire.mend();
      await alice.cutOff();
      await alice.say('kept over a reload');
      await alice.page.locator('#thread').getByText('Waiting to be sent', { exact: true }).waitFor();
      await alice.page.reload();
      await alice.page.locator('.said.waiting .text', { hasText: 'kept over a reload' }).waitFor();
      await alice.page.unroute('**/ws-ticket');
      await alice.comesBack();
      await bob.hears('kept over a reload');
      await alice.hears('kept over a reload');
      assert.equal((await bob.rows()).filter(([, text]) => text === 'kept over a reload').length, 1);
    });

    test('a server that dies and comes back is found again, with everything that was said', async () => {
      bob.expected.push(...LOSS);
      const rows = await bob.rows();
      await server.crash();
      await bob.cutOff();
      await server.run();
      for (const person of [alice, bob]) await person.comesBack();
      await alice.say('still here');
      await bob.hears('still here');
      const later = await bob.rows();
      assert.deepEqual(later.slice(0, rows.length), rows);
      assertUnbroken(later);
      await bob.sees('alice', 'bob');
    });

    test('signing out leads back to the entrance, in every window, and the other one sees it', async () => {
      const second = await Person.at(browser, wire.url, { context: alice.context });
      // It may ask for a ticket before it hears of it.
      second.expected.push(/status of 401/);
      await second.connected();
      await alice.signOut();
      await alice.atTheEntrance();
      await second.atTheEntrance();
      await bob.sees('bob');
      await bob.page.locator('.traffic', { hasText: 'alice left' }).last().waitFor();
      await picture(bob, 'left-dark');
      // Nothing that was written; the rooms wait for their person.
      const kept = () => alice.page.evaluate(() => Object.keys(localStorage).filter((key) => key !== 'chorus.theme').sort());
      await eventually(async () => assert.deepEqual(await kept(), ['chorus:read:alice', 'chorus:rooms:alice']));
      await alice.page.reload();
      await alice.atTheEntrance();
      await alice.signIn('alice');
      await bob.sees('alice', 'bob');
      second.hadNothingToComplainOf();
    });

    test('the browser had nothing to complain of', () => {
      alice.hadNothingToComplainOf();
      bob.hadNothingToComplainOf();
    });
  });
}
