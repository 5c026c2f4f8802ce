// Two people in two browsers on two nodes of a real cluster, through nginx: nodes die and stop
// beneath them, and nothing is lost.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from './cluster.mjs';
import { assertUnbroken, eventually, Person } from './house.mjs';
import { browser } from './scene.mjs';

const LOSS = [/net::ERR_/, /WebSocket connection to/, /status of 50[234]/];

describe('through nginx on two nodes', () => {
  let cluster, alice, bob;
  const nodeOf = async (person) => (await person.context.cookies()).find(({ name }) => name === 'chorus_node')?.value;

  before(async () => {
    cluster = await Cluster.start();
    alice = await Person.at(browser, cluster.url, { size: [1440, 900] });
    for (let tries = 0; tries < 20; tries++) {
      bob = await Person.at(browser, cluster.url, { size: [360, 740], colorScheme: 'dark' });
      if ((await nodeOf(bob)) !== (await nodeOf(alice))) break;
      await bob.context.close();
    }
    for (const person of [alice, bob]) person.expected.push(...LOSS);
  });
  after(async () => {
    for (const person of [alice, bob]) await person?.context.close();
    await cluster?.stop();
  });

  test('they are on different nodes, see each other and talk', async () => {
    assert.ok(await nodeOf(alice));
    assert.notEqual(await nodeOf(alice), await nodeOf(bob));
    await alice.register('alice');
    await bob.register('bob');
    await alice.sees('alice', 'bob');
    await alice.say('can you hear me on your node?');
    await bob.hears('can you hear me on your node?');
    await bob.say('as if it were mine');
    await alice.hears('as if it were mine');
    const markup = '<img src=x onerror="document.title=1"> &lt;b&gt;';
    await bob.say(markup);
    await alice.hears(markup);
    await eventually(async () => assert.deepEqual((await cluster.sockets()).map(([, sockets]) => sockets).sort(), [0, 1, 1]));
    await alice.picture('cluster-desktop');
  });

  test('one node is killed beneath them, and nothing is lost', async () => {
    const [[number]] = (await cluster.sockets()).filter(([, sockets]) => sockets > 0);
    await cluster.signal(number, 'SIGKILL');
    for (let n = 1; n <= 10; n++) {
      await alice.say(`alice goes on ${n}`);
      await bob.say(`bob goes on ${n}`);
      await sleep(100);
    }
    for (const person of [alice, bob]) {
      await person.connected();
      for (let n = 1; n <= 10; n++) {
        await person.hears(`alice goes on ${n}`);
        await person.hears(`bob goes on ${n}`);
      }
    }
    assert.deepEqual(await alice.rows(), await bob.rows());
    assertUnbroken(await alice.rows());
    await alice.sees('alice', 'bob');
    await bob.picture('cluster-phone-after-a-kill');
  });

  test('another node stops, and nobody is away long enough to notice', async () => {
    const [[number]] = (await cluster.sockets()).filter(([, sockets]) => sockets > 0);
    await cluster.signal(number, 'SIGTERM');
    for (let n = 1; n <= 10; n++) {
      await alice.say(`and on ${n}`);
      await sleep(200);
    }
    for (const person of [alice, bob]) {
      for (let n = 1; n <= 10; n++) await person.hears(`and on ${n}`);
    }
    assert.deepEqual(await alice.rows(), await bob.rows());
    assertUnbroken(await alice.rows());
    await alice.sees('alice', 'bob');
    for (const person of [alice, bob]) person.hadNothingToComplainOf();
  });
});
