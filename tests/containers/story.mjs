// People who talk through a compose cluster while it is scaled: 1 → 3 → 2 nodes. They use the sdk, as
// any program would. In the end everybody has seen the log, whole and in its order, and the log
// holds everything that was said, once. Started by scripts/test-containers, which has the cluster up
// with one node, and gives the command that scales it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Chorus } from '../../client/sdk/chorus.js';

const [url, compose, docker, file, project] = process.argv.slice(2);
const LIMIT_MS = 60_000;
const PASSWORD = 'correct horse';
const run = promisify(execFile);
const began = Date.now();
const say = (what) => console.log(`   [${String(Math.round((Date.now() - began) / 1000)).padStart(3)} s] ${what}`);

async function until(what, holds) {
  const end = Date.now() + LIMIT_MS;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `not within ${LIMIT_MS} ms: ${what}`);
    await sleep(100);
  }
}

class Person {
  seen = [];
  gaps = [];
  sent = [];
  connections = 0;
  #talking = true;

  static async come(name) {
    const person = new Person();
    person.name = name;
    person.chorus = new Chorus({ url });
    await person.chorus.register(name, PASSWORD);
    person.chorus.on('message', (message) => person.seen.push(message));
    person.chorus.on('history', ({ messages, gap, resumed }) => {
      person.seen.push(...messages);
      if (gap && resumed) person.gaps.push(gap);
    });
    person.chorus.on('status', ({ state }) => (person.connections += state === 'connected' ? 1 : 0));
    person.chorus.on('people', ({ users }) => (person.people = users));
    await person.chorus.signIn(name, PASSWORD);
    person.chorus.join('lobby');
    await until(`${name} is in the lobby`, () => person.people);
    person.talk = person.#talk();
    return person;
  }

  /** As fast as the window of messages allows, until told to be quiet. */
  async #talk() {
    for (let n = 1; this.#talking; n += 1) {
      this.sent.push(this.chorus.send('lobby', `${this.name} says ${n}`).then(() => `${this.name} says ${n}`));
      await sleep(600);
    }
  }

  /** Everything that was taken is acknowledged. */
  async quiet() {
    this.#talking = false;
    await this.talk;
    return Promise.all(this.sent);
  }
}

async function gateways() {
  const filter = [`label=com.docker.compose.project=${project}`, 'label=com.docker.compose.service=gateway'];
  const { stdout } = await run(docker, ['ps', '-q', ...filter.flatMap((one) => ['--filter', one])]);
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  const ids = stdout.split('\n').filter(Boolean);
  const addresses = await Promise.all(ids.map((id) => run(docker, ['inspect', '-f', format, id])));
  return addresses.map((one) => one.stdout.trim());
}

/** Opened sockets of one node, by what it tells its operator. */
async function opened(address) {
  const text = await (await fetch(`http://${address}:9464/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('chorus_http_requests_total') && line.includes('status="101"'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

async function nginxKnows(count) {
  const { stdout } = await run(compose, ['-f', file, '-p', project, 'logs', '--no-color', 'nginx'], { maxBuffer: 1 << 26 });
  const last = stdout.split('\n').filter((line) => line.includes('nginx: nodes: ')).at(-1) ?? '';
  return (last.match(/ ready/g) ?? []).length === count && !/waiting|silent/.test(last);
}

async function scale(count) {
  await run(compose, ['-f', file, '-p', project, 'up', '-d', '--no-build', '--no-recreate', '--scale', `gateway=${count}`]);
  await until(`nginx sends people to ${count}`, () => nginxKnows(count));
  say(`${count} nodes: ${(await gateways()).join(', ')}`);
}

const people = [];
const come = async (...names) => people.push(...(await Promise.all(names.map((name) => Person.come(name)))));

await until('nginx knows the first node', () => nginxKnows(1));
await come('alice', 'bob');
say('two people talk at one node');
await sleep(3_000);
await scale(3);
await come('carol', 'dave', 'erin', 'frank');
const everywhere = async () => Math.min(...(await Promise.all((await gateways()).map(opened)))) > 0;
await until('each node has somebody', everywhere);
say('six people talk at three nodes');
await sleep(5_000);
await scale(2);
await sleep(5_000);
const said = (await Promise.all(people.map((person) => person.quiet()))).flat();
say(`${said.length} messages acknowledged; connections each of them had: ${people.map((person) => person.connections).join(', ')}`);

const log = [];
for (let more = true; more; ) {
  const page = await people[0].chorus.history('lobby', { after: log.at(-1)?.seq ?? 0, limit: 200 });
  log.push(...page.messages);
  more = page.hasMore;
}
assert.deepEqual(log.map(({ seq }) => seq), log.map((_, at) => at + 1), 'one order without a gap');
assert.deepEqual(log.map(({ message }) => message).sort(), [...said].sort(), 'everything that was said, once');
const names = people.map(({ name }) => name).sort().join();
for (const person of people) {
  await until(`${person.name} has seen the end`, () => person.seen.at(-1)?.seq === log.length);
  assert.deepEqual(person.gaps, [], `${person.name} missed something`);
  const from = person.seen[0].seq;
  const seen = person.seen.map(({ seq, message }) => [seq, message]);
  assert.deepEqual(seen, log.slice(from - 1).map(({ seq, message }) => [seq, message]), `${person.name} saw the log`);
  await until(`${person.name} sees everybody`, () => person.people.join() === names);
}
assert.ok(people.some((person) => person.connections > 1), 'somebody was at the node that left');
say('everybody saw the same, and nothing was lost');
for (const person of people) person.chorus.disconnect();
process.exit(0);
