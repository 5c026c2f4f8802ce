// What happens to people: networks that come and go, servers that die again and again, clocks that are
// wrong, and two windows of one person.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertUnbroken, eventually, NETWORK, Person, Server, Wire } from './house.mjs';
import { browser } from './scene.mjs';

const HOUR_MS = 3_600_000;
/** Of a sign-in: a quarter of it is left when it is renewed, for a machine that has five pages to load. */
const TTL_MS = 16_000;
const FLAP_MS = 300;
const FLAPS = 33;

/** Both have all of it, in one order, each once, and each person's words in the order they were said. */
async function haveAll(people, said) {
  for (const person of people) for (const texts of Object.values(said)) for (const text of texts) await person.hears(text);
  const rows = await people[0].rows();
  assertUnbroken(rows);
  const texts = rows.map(([, text]) => text);
  for (const words of Object.values(said)) assert.deepEqual(texts.filter((text) => words.includes(text)), words);
  for (const person of people) {
    assert.deepEqual(await person.rows(), rows);
    await eventually(async () => assert.equal(await person.page.locator('.said.waiting, .said.refused').count(), 0));
  }
}

describe('two people talk', () => {
  let server, alice, bob;
  const wires = {};

  before(async () => {
    server = await Server.start({ MESSAGE_LIMIT: '10000' });
    for (const name of ['alice', 'bob']) wires[name] = await Wire.to(server.port);
    alice = await Person.at(browser, wires.alice.url);
    bob = await Person.at(browser, wires.bob.url, { size: [360, 740], colorScheme: 'dark' });
    for (const person of [alice, bob]) person.expected.push(...NETWORK, /status of 5\d\d/);
    await alice.register('alice');
    await bob.register('bob');
  });
  after(async () => {
    for (const person of [alice, bob]) await person?.context.close();
    for (const wire of Object.values(wires)) wire.close();
    await server?.stop();
  });

  test('a network that comes and goes three times a second: nothing lost, nothing twice, one order', async () => {
    const said = { alice: [], bob: [] };
    for (let flap = 1; flap <= FLAPS; flap += 1) {
      const next = Date.now() + FLAP_MS;
      const gone = flap % 2 === 1;
      // The system says so at once, and open connections die with it; bob's by themselves, a beat later.
      await alice.context.setOffline(gone);
      if (gone) wires.alice.cut();
      else wires.alice.mend();
      if (flap % 3 === 0) wires.bob.cut();
      else wires.bob.mend();
      for (const [name, person] of [['alice', alice], ['bob', bob]]) {
        said[name].push(`${name} says ${flap}`);
        await person.say(`${name} says ${flap}`);
      }
      await sleep(Math.max(0, next - Date.now()));
    }
    await alice.context.setOffline(false);
    for (const wire of Object.values(wires)) wire.mend();
    for (const person of [alice, bob]) await person.comesBack();
    await haveAll([alice, bob], said);
    await alice.sees('alice', 'bob');
  });

  test('the system says there is no network, while this server is still reached: one goes on talking', async () => {
    const said = { alice: [], bob: [] };
    for (let flap = 1; flap <= 8; flap += 1) {
      await alice.context.setOffline(flap % 2 === 1);
      said.alice.push(`alice, said to be offline ${flap}`);
      await alice.say(said.alice.at(-1));
      said.bob.push(`bob to alice ${flap}`);
      await bob.say(said.bob.at(-1));
    }
    await alice.comesBack();
    await haveAll([alice, bob], said);
  });

  test('a server that is killed and started again and again', async () => {
    const said = { alice: [], bob: [] };
    for (let death = 1; death <= 4; death += 1) {
      for (const [name, person] of [['alice', alice], ['bob', bob]]) {
        said[name].push(`${name}, before death ${death}`);
        await person.say(said[name].at(-1));
      }
      await server.comesBack({}, async () => {
        for (const [name, person] of [['alice', alice], ['bob', bob]]) {
          await person.cutOff();
          said[name].push(`${name}, during death ${death}`);
          await person.say(said[name].at(-1));
        }
      });
      for (const person of [alice, bob]) await person.comesBack();
    }
    await haveAll([alice, bob], said);
    await bob.sees('alice', 'bob');
  });

  test('two windows of one person: what is said in one stands in the other, signing in and out is shared', async () => {
    const second = await Person.at(browser, wires.alice.url, { context: alice.context });
    await second.connected();
    await second.say('from the second window');
    await alice.hears('from the second window');
    await second.hears('from the second window');
    assert.equal((await alice.rows()).filter(([, text]) => text === 'from the second window').length, 1);

    // The other window may ask for a ticket before it hears of it.
    for (const person of [alice, second]) person.expected.push(/status of 401/);
    await second.signOut();
    await alice.reads('You signed out in another window.');
    await alice.signIn('alice');
    await second.connected();
    await second.hears('from the second window');

    // Another person at the same machine: no window shows the one's words under the other's name.
    await alice.signOut();
    await second.reads('You signed out in another window.');
    await alice.register('carol');
    await second.connected();
    await second.sees('bob', 'carol');
    assert.equal((await second.people())[0], 'carol', 'you first');
    second.hadNothingToComplainOf();
    await second.page.close();
  });

  test('the browser had nothing to complain of', () => {
    alice.hadNothingToComplainOf();
    bob.hadNothingToComplainOf();
  });
});

describe('a clock that is wrong', () => {
  let server;
  before(async () => (server = await Server.start({ TOKEN_TTL_SECONDS: String(TTL_MS / 1_000) })));
  after(() => server?.stop());

  const talksWith = async (hours) => {
    const person = await Person.at(browser, server.url, { clockOffBy: hours * HOUR_MS });
    const words = `What time is it, ${hours} hours from here?`;
    // The first one is the sign-in.
    const renewals = [];
    person.page.on('request', (request) => /\/(login|refresh)$/.test(request.url()) && renewals.push(Date.now()));
    await person.register(`clock_${hours < 0 ? 'behind' : 'ahead'}_${Math.abs(hours)}`);
    await person.say(words);
    await person.hears(words);
    const shown = await person.page.locator('.said', { hasText: words }).locator('time').getAttribute('datetime');
    assert.ok(Math.abs(Date.parse(shown) - Date.now()) < 60_000, `${hours} hours: ${shown} is not now`);
    // Today is the server's day, too.
    await person.page.locator('.line.day', { hasText: /^Today$/ }).waitFor();
    await person.page.waitForResponse((response) => response.url().endsWith('/refresh') && response.ok() && renewals.length >= 3, { timeout: 4 * TTL_MS });
    // It is renewed after three quarters of its time: not never, as this was, and not all the time.
    const apart = renewals.slice(1).map((at, index) => at - renewals[index]);
    assert.ok(apart.every((ms) => ms > TTL_MS / 2), `${hours} hours: renewed after ${apart.join(', ')} ms`);
    await person.connected();
    await person.say(`Still here, ${hours} hours away.`);
    await person.hears(`Still here, ${hours} hours away.`);
    person.hadNothingToComplainOf();
    await person.context.close();
  };

  test('by hours or by days, behind or ahead, or right: the sign-in is renewed in its time, and times are the server’s', async () => {
    await Promise.all([-50, -5, 0, 5, 50].map(talksWith));
  });
});
