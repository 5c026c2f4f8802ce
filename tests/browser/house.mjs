// What the browser tests live in: the real server on a free port with a directory of its own, a wire
// that can be cut between it and a browser, and people who sit before real pages.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const FLAGS = '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const READY_MS = 20_000;

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** The built server, started as a user would. */
export class Server {
  static async start(settings = {}) {
    assert.ok(process.env.CHORUS_BIN, 'CHORUS_BIN must name the chorus binary');
    const server = new Server();
    server.directory = await mkdtemp(join(tmpdir(), 'chorus-browser-'));
    server.port = await freePort();
    server.settings = settings;
    await server.run();
    return server;
  }

  async run() {
    this.output = '';
    this.process = spawn(process.env.CHORUS_BIN, [], {
      cwd: this.directory,
      env: {
        PATH: process.env.PATH,
        PORT: String(this.port),
        BIND: '127.0.0.1',
        METRICS_BIND: 'off',
        DATA_DIR: this.directory,
        LOG_LEVEL: 'warn',
        PRESENCE_GRACE_SECONDS: '1',
        RATE_LIMIT_PER_HOUR: '100000',
        API_LIMIT_PER_MINUTE: '100000',
        BCRYPT_COST: '4',
        ...(process.env.CLIENT_DIR ? { CLIENT_DIR: process.env.CLIENT_DIR } : {}),
        ...this.settings,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (data) => (this.output += data));
    const deadline = Date.now() + READY_MS;
    while (!(await fetch(`${this.url}/ready`).then(({ ok }) => ok, () => false))) {
      assert.ok(Date.now() < deadline && this.process.exitCode === null, `the server did not become ready:\n${this.output}`);
      await sleep(50);
    }
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Without a word to anybody. */
  async crash() {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  async stop() {
    this.process.kill('SIGTERM');
    const late = setTimeout(() => this.process.kill('SIGKILL'), 15_000);
    await this.ended;
    clearTimeout(late);
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** A TCP wire to the server that can be cut: what is open breaks, what is new is refused. */
export class Wire {
  #open = new Set();
  #whole = true;

  static async to(port) {
    const wire = new Wire();
    wire.server = net.createServer((near) => wire.#connect(near, port)).listen(0, '127.0.0.1');
    await new Promise((resolve) => wire.server.once('listening', resolve));
    wire.url = `http://127.0.0.1:${wire.server.address().port}`;
    return wire;
  }

  #connect(near, port) {
    if (!this.#whole) return near.destroy();
    const far = net.connect(port, '127.0.0.1');
    for (const [one, other] of [[near, far], [far, near]]) {
      this.#open.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
    return undefined;
  }

  cut() {
    this.#whole = false;
    for (const socket of this.#open) socket.destroy();
  }

  mend() {
    this.#whole = true;
  }

  close() {
    this.cut();
    this.server.close();
  }
}

/** Somebody who writes over HTTP, as a program would. */
export class Program {
  static async signIn(server, username) {
    const program = new Program();
    program.url = server.url;
    const body = { username, password: 'a good password' };
    await program.call('/register', body);
    ({ token: program.token } = await program.call('/login', body));
    return program;
  }

  async call(path, body) {
    const headers = { 'Content-Type': 'application/json', ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}) };
    const response = await fetch(this.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.ok(response.ok, `${path}: ${response.status} ${await response.clone().text()}`);
    return response.json();
  }

  say(message) {
    return this.call('/rooms/lobby/messages', { message });
  }

  /** Is in a room until the socket that this answers is closed. */
  async join(room) {
    const { ticket } = await this.call('/ws-ticket', {});
    const socket = new WebSocket(`${this.url.replace('http', 'ws')}/ws?ticket=${ticket}`, 'chorus.v1');
    socket.addEventListener('open', () => socket.send(JSON.stringify({ type: 'join', room })));
    await new Promise((resolve, reject) => {
      socket.addEventListener('message', ({ data }) => JSON.parse(data).type === 'joined' && resolve());
      socket.addEventListener('close', () => reject(new Error('the socket was closed')));
    });
    return socket;
  }
}

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS.split(' ') });
}

/** Somebody before a page. Keeps every complaint of the browser; `complaints()` must be empty in the end. */
export class Person {
  #complaints = [];
  /** Complaints that the test itself provokes. @type {RegExp[]} */
  expected = [];

  static async at(browser, url, { size = [1440, 900], context, ...options } = {}) {
    const person = new Person();
    person.context = context ?? (await browser.newContext({ viewport: { width: size[0], height: size[1] }, colorScheme: 'light', ...options }));
    person.page = await person.context.newPage();
    person.page.setDefaultTimeout(10_000);
    person.page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) person.#complaints.push(`${message.text()} (${message.location().url})`);
    });
    person.page.on('pageerror', (error) => person.#complaints.push(String(error.stack)));
    await person.page.exposeFunction('complain', (text) => person.#complaints.push(text));
    await person.page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => globalThis.complain(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    });
    await person.page.goto(url);
    return person;
  }

  complaints() {
    return this.#complaints.filter((text) => !this.expected.some((pattern) => pattern.test(text)));
  }

  async register(username) {
    await this.page.getByRole('button', { name: 'Create an account' }).click();
    await this.fill(username);
    await this.page.getByRole('button', { name: 'Create account' }).click();
    await this.connected();
  }

  async signIn(username) {
    await this.fill(username);
    await this.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await this.connected();
  }

  async fill(username, password = 'a good password') {
    await this.page.getByLabel('Name', { exact: true }).fill(username);
    await this.page.getByLabel('Password', { exact: true }).fill(password);
  }

  async connected() {
    await this.page.locator('#chat[data-tone="good"]').waitFor();
  }

  async say(text) {
    await this.page.getByLabel('Message', { exact: true }).fill(text);
    await this.page.getByLabel('Message', { exact: true }).press('Enter');
  }

  /** Waits until exactly this text stands in the log (and not merely waits to be sent). */
  async hears(text) {
    await this.page.waitForFunction((wanted) => [...document.querySelectorAll('#thread [data-seq] .text')].some((row) => row.textContent === wanted), text);
  }

  /** [seq, text] of what is in the log, as shown. */
  rows() {
    return this.page.locator('#thread [data-seq]').evaluateAll((rows) => rows.map((row) => [Number(row.dataset.seq), row.querySelector('.text').textContent]));
  }

  people() {
    return this.page.locator('#people-list .name').allTextContents();
  }

  /** Waits until exactly these are here. */
  async sees(...names) {
    const wanted = [...names].sort();
    await this.page.waitForFunction((list) => JSON.stringify([...document.querySelectorAll('#people-list .name')].map((name) => name.textContent).sort()) === list, JSON.stringify(wanted)).catch(async () => {
      assert.deepEqual((await this.people()).sort(), wanted);
    });
  }

  /** On narrow screens what is asked for lies in a drawer. */
  async openMenu() {
    const button = this.page.getByRole('button', { name: 'Rooms and account' });
    if (await button.isVisible()) await button.click();
  }

  async signOut() {
    await this.openMenu();
    await this.page.getByRole('button', { name: 'Sign out' }).click();
  }

  async picture(name) {
    const folder = process.env.SCREENSHOT_DIR;
    if (!folder) return;
    await mkdir(folder, { recursive: true });
    await this.page.screenshot({ path: join(folder, `${name}.png`) });
  }

  /** Nothing wider than the window, whatever stands in it. */
  async fits(where) {
    const wide = await this.page.evaluate(() => {
      const width = document.documentElement.clientWidth;
      const visible = [...document.querySelectorAll('body *')].filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('.unseen, svg'));
      const over = visible.filter((element) => element.getBoundingClientRect().right > width + 0.5).map((element) => `${element.tagName}.${element.className}`);
      return document.documentElement.scrollWidth > width ? ['the page', ...over] : over;
    });
    assert.deepEqual(wide, [], where);
  }
}

/** No number missing, none twice. */
export function assertUnbroken(rows) {
  const [first] = rows[0];
  assert.deepEqual(rows.map(([seq]) => seq), rows.map((_, index) => first + index));
}
