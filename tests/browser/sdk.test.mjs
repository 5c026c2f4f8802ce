// The sdk away from the page: the bot of docs/sdk.md in Node while its server dies, and a page of another
// origin that loads the sdk from the server.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Person, Program, Server } from './house.mjs';
import { browser } from './scene.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const PATIENCE_MS = 60_000;

describe('the bot of docs/sdk.md', () => {
  let server, folder, bot, alice;
  let output = '';

  before(async () => {
    const docs = await readFile(join(ROOT, 'docs/sdk.md'), 'utf8');
    const [, code] = docs.match(/```js\n(\/\/ bot\.mjs\n[^]*?)```/);
    assert.ok(code.trim().split('\n').length <= 15, 'at most 15 lines');
    folder = await mkdtemp(join(tmpdir(), 'chorus-bot-'));
    await cp(join(ROOT, 'client/sdk'), join(folder, 'sdk'), { recursive: true });
    await writeFile(join(folder, 'bot.mjs'), code);
    server = await Server.start();
    alice = await Program.signIn(server, 'alice');
    await alice.call('/register', { username: 'adder', password: 'a good password' });
    // As the document says it, for a Node that has no WebSocket of its own.
    const flags = Number(process.versions.node.split('.')[0]) < 22 ? ['--experimental-websocket'] : [];
    bot = spawn(process.execPath, [...flags, 'bot.mjs'], {
      cwd: folder,
      env: { PATH: process.env.PATH, CHORUS_URL: server.url, CHORUS_NAME: 'adder', CHORUS_PASSWORD: 'a good password' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [bot.stdout, bot.stderr]) stream.on('data', (data) => (output += data));
    await until(async () => (await get('/rooms/lobby/users')).users.includes('adder'), 'the bot is in the lobby');
  });
  after(async () => {
    bot?.kill('SIGKILL');
    await server?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const get = async (path) => {
    const response = await fetch(server.url + path, { headers: { Authorization: `Bearer ${alice.token}` } });
    assert.ok(response.ok, `${path}: ${response.status}`);
    return response.json();
  };
  const said = async () => (await get('/rooms/lobby/messages?limit=200')).messages;
  const answers = async () => (await said()).filter(({ username }) => username === 'adder').map(({ message }) => message);

  async function until(holds, what) {
    const deadline = Date.now() + PATIENCE_MS;
    while (!(await holds())) {
      assert.ok(Date.now() < deadline && bot.exitCode === null, `${what}: not so\n${output}\n${JSON.stringify(await said())}`);
      await sleep(50);
    }
  }

  test('answers a question', async () => {
    await alice.say('!add 2 40');
    await alice.say('nobody was asked');
    await until(async () => (await answers()).length > 0, 'an answer');
    assert.deepEqual(await answers(), ['alice: 42']);
  });

  test('answers each question once, while the server is killed beneath it again and again', async () => {
    const expected = ['alice: 42'];
    for (let round = 1; round <= 3; round += 1) {
      // The first is on its way when the server dies; the others are asked before the bot is back.
      await alice.say(`!add ${round} 100`);
      await server.crash();
      await server.run();
      for (const more of [200, 300]) await alice.say(`!add ${round} ${more}`);
      expected.push(...[100, 200, 300].map((more) => `alice: ${round + more}`));
      await until(async () => (await answers()).length >= expected.length, `answers of round ${round}`);
    }
    // What could still be doubled would be sent before this last one.
    await alice.say('!add 1000 1');
    expected.push('alice: 1001');
    await until(async () => (await answers()).includes('alice: 1001'), 'the last answer');
    assert.deepEqual((await answers()).sort(), [...expected].sort());
    assert.equal(output, '');
  });
});

const PAGE = `<!doctype html><meta charset="utf-8"><title>Elsewhere</title><ul id="heard"></ul>`;

describe('a page of another origin', () => {
  let server, site, origin, bob;

  before(async () => {
    site = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(PAGE)).listen(0, '127.0.0.1');
    await new Promise((listening) => site.once('listening', listening));
    origin = `http://127.0.0.1:${site.address().port}`;
    server = await Server.start({ ALLOWED_ORIGINS: origin });
    bob = await Program.signIn(server, 'bob');
  });
  after(async () => {
    site?.close();
    await server?.stop();
  });

  test('loads the sdk from the server, signs in and chats', async () => {
    const person = await Person.at(browser, origin);
    await person.page.evaluate(async (url) => {
      const { Chorus } = await import(`${url}/sdk/chorus.js`);
      const chorus = new Chorus({ url });
      globalThis.chorus = chorus;
      chorus.on('message', ({ seq, username, message }) => {
        const item = document.createElement('li');
        item.textContent = `${seq} ${username}: ${message}`;
        document.querySelector('#heard').append(item);
      });
      await chorus.register('alice', 'a good password');
      await chorus.signIn('alice', 'a good password');
      chorus.join('lobby');
    }, server.url);
    const receipt = await person.page.evaluate(() => globalThis.chorus.send('lobby', 'Hello from elsewhere'));
    assert.equal(receipt.seq, 1);
    await bob.say('Hello yourself');
    await person.page.getByText('2 bob: Hello yourself').waitFor();
    const { messages } = await person.page.evaluate(() => globalThis.chorus.history('lobby'));
    assert.deepEqual(messages.map(({ username, message }) => [username, message]), [['alice', 'Hello from elsewhere'], ['bob', 'Hello yourself']]);
    assert.deepEqual(await person.page.locator('#heard li').allTextContents(), ['1 alice: Hello from elsewhere', '2 bob: Hello yourself']);
    person.hadNothingToComplainOf();
    await person.context.close();
  });

  test('is told why, when the server does not name its origin or is not there', async () => {
    // The same page under another name is another origin.
    const person = await Person.at(browser, origin.replace('127.0.0.1', 'localhost'));
    person.expected.push(/CORS policy/, /net::ERR_/);
    const failure = () =>
      person.page.evaluate(
        async (url) => {
          const { Chorus, ChorusError } = await import(`${url}/sdk/chorus.js`);
          const error = await new Chorus({ url }).signIn('bob', 'a good password').then(() => null, (cause) => cause);
          return error instanceof ChorusError && { code: error.code, message: error.message };
        },
        server.url,
      );
    assert.deepEqual(await failure(), { code: 'forbidden_origin', message: 'The server does not allow pages from here. Its ALLOWED_ORIGINS must name the origin of this page.' });
    await server.crash();
    // The sdk is kept by the page; the server is gone.
    assert.equal((await failure()).code, 'network');
    person.hadNothingToComplainOf();
    await person.context.close();
  });
});
