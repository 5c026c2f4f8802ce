// What the browser tests live in: the real server on a free port with a directory of its own, a wire
// that can be cut between it and a browser, and people who sit before real pages.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const FLAGS = '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
/** The limit of every wait: far more than it takes, for the machine may have other things to do. */
const LIMIT_MS = 30_000;
const PASSWORD = 'a good password';
/** The program as `cargo build` leaves it, unless another one is named. */
export const PROGRAM = resolve(process.env.CHORUS_BIN ?? new URL('../../target/debug/chorus', import.meta.url).pathname);
/** Files of the page that are served instead of those in the program. */
export const CLIENT = process.env.CLIENT_DIR ? { CLIENT_DIR: resolve(process.env.CLIENT_DIR) } : {};

/** What Chromium complains of when a test cuts its network. */
export const NETWORK = [/net::ERR_/, /WebSocket connection to/];

/** Asks again until what is asserted holds; what does not hold in time fails with its last words. */
export async function eventually(check) {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    try {
      return await check();
    } catch (cause) {
      if (!(cause instanceof assert.AssertionError) || Date.now() > deadline) throw cause;
    }
    await sleep(50);
  }
}

/** Below those that the system gives to outgoing connections: a server that comes back finds it free. */
async function freePort() {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = net.createServer();
    const free = await new Promise((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => probe.close(resolve));
    if (free) return port;
  }
  throw new Error('no free port found');
}

/** The built server, started as a user would. */
export class Server {
  static async start(settings = {}) {
    const server = new Server();
    server.directory = await mkdtemp(join(tmpdir(), 'chorus-browser-'));
    server.port = await freePort();
    server.settings = settings;
    await server.run();
    return server;
  }

  async run() {
    this.output = '';
    this.process = spawn(PROGRAM, [], {
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
        ...CLIENT,
        ...this.settings,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.ended = new Promise((exited) => this.process.once('exit', exited));
    // A program that is not there ends before it begins.
    this.process.once('error', (cause) => (this.output += `${cause}`));
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (data) => (this.output += data));
    const deadline = Date.now() + LIMIT_MS;
    while (!(await fetch(`${this.url}/ready`).then(({ ok }) => ok, () => false))) {
      assert.ok(Date.now() < deadline && this.process.exitCode === null && this.process.pid !== undefined, `the server did not become ready:\n${this.output}`);
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

  /** Dies, and comes back with other settings; `meanwhile` happens in between. */
  async comesBack(settings = {}, meanwhile = async () => {}) {
    await this.crash();
    await meanwhile();
    Object.assign(this.settings, settings);
    await this.run();
  }

  /** Its whole memory as it is now, to be put back later. Only while it does not run. */
  async remember() {
    this.memory = await mkdtemp(join(tmpdir(), 'chorus-memory-'));
    await cp(this.directory, this.memory, { recursive: true });
  }

  async forgetWhatCameLater() {
    await rm(this.directory, { recursive: true });
    await cp(this.memory, this.directory, { recursive: true });
  }

  async stop() {
    this.process.kill('SIGTERM');
    const late = setTimeout(() => this.process.kill('SIGKILL'), 15_000);
    await this.ended;
    clearTimeout(late);
    for (const directory of [this.directory, this.memory]) if (directory) await rm(directory, { recursive: true, force: true });
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
  /** With a new account. */
  static async signIn(server, username) {
    await Program.#at(server).call('/register', { username, password: PASSWORD });
    return Program.signInAgain(server, username);
  }

  static async signInAgain(server, username) {
    const program = Program.#at(server);
    ({ token: program.token } = await program.call('/login', { username, password: PASSWORD }));
    return program;
  }

  static #at(server) {
    const program = new Program();
    program.url = server.url;
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
    const socket = await Socket.open(this.url, this.token);
    socket.send({ type: 'join', room });
    await socket.hears('joined');
    return socket;
  }

  /** Sits in the lobby on a socket, and is there when this resolves. */
  async enter() {
    this.socket = await this.join('lobby');
  }

  types() {
    this.socket.send({ type: 'typing', room: 'lobby' });
  }

  leave() {
    this.socket?.close();
  }
}

/** Many people at once; each has a socket of their own. */
export class Crowd {
  programs = [];

  static async of(server, names) {
    const crowd = new Crowd();
    const left = names.entries();
    // A few at a time: the server has other things to do as well.
    const some = async () => {
      for (const [index, name] of left) crowd.programs[index] = await Program.signIn(server, name);
    };
    await Promise.all(Array.from({ length: 8 }, some));
    return crowd;
  }

  /** A few at a time, too. Afterwards they only sit there. */
  async enter() {
    const left = this.programs.values();
    const some = async () => {
      for (const program of left) {
        await program.enter();
        program.socket.listensNoMore();
      }
    };
    await Promise.all(Array.from({ length: 8 }, some));
  }

  leave() {
    for (const program of this.programs) program.leave();
  }
}

/** A WebSocket as RFC 6455 has it, no more than the tests need of it: Node 20 has none. */
class Socket {
  #wire;
  #bytes = Buffer.alloc(0);
  #heard = [];
  #waiting = [];

  static open(url, token) {
    const headers = {
      'Connection': 'Upgrade',
      'Upgrade': 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      'Sec-WebSocket-Protocol': 'chorus.v1',
      'Authorization': `Bearer ${token}`,
    };
    return new Promise((resolve, reject) => {
      const request = http.get(`${url}/ws`, { headers, agent: false, timeout: LIMIT_MS });
      request.on('upgrade', (_, wire, head) => resolve(new Socket(wire, head)));
      request.on('response', ({ statusCode }) => reject(new Error(`no socket: ${statusCode}`)));
      request.on('timeout', () => request.destroy(new Error('no socket in time')));
      request.on('error', reject);
    });
  }

  constructor(wire, head) {
    this.#wire = wire;
    wire.on('data', (data) => this.#take(data));
    wire.on('error', () => {});
    if (head.length > 0) this.#take(head);
  }

  send(frame) {
    this.#put(1, Buffer.from(JSON.stringify(frame)));
  }

  /** Of thousands of them, reading what each hears would take longer than all else. A ping is not answered either. */
  listensNoMore() {
    this.#wire.removeAllListeners('data').resume();
  }

  /** Waits for a frame of this type, or finds it among those that came. */
  async hears(type) {
    const deadline = AbortSignal.timeout(LIMIT_MS);
    while (!this.#heard.includes(type)) {
      await new Promise((resolve, reject) => {
        this.#waiting.push(resolve);
        deadline.addEventListener('abort', () => reject(new Error(`no ${type} in time`)), { once: true });
      });
    }
  }

  close() {
    this.#wire.destroy();
  }

  #put(opcode, payload) {
    const mask = randomBytes(4);
    const length = payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 255];
    this.#wire.write(Buffer.concat([Buffer.from([0x80 | opcode, ...length]), mask, payload.map((byte, index) => byte ^ mask[index % 4])]));
  }

  #take(data) {
    this.#bytes = Buffer.concat([this.#bytes, data]);
    for (;;) {
      const bytes = this.#bytes;
      if (bytes.length < 2) return;
      const short = bytes[1] & 127;
      const start = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length < start) return;
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
      if (bytes.length < start + length) return;
      const payload = bytes.subarray(start, start + length);
      this.#bytes = bytes.subarray(start + length);
      const opcode = bytes[0] & 15;
      if (opcode === 9) this.#put(10, payload);
      if (opcode !== 1) continue;
      this.#heard.push(JSON.parse(payload).type);
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }
}

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS.split(' ') });
}

/** Somebody before a page. Keeps every complaint of the browser; in the end it must have had none. */
export class Person {
  #complaints = [];
  /** Complaints that the test itself provokes. @type {RegExp[]} */
  expected = [];

  /** `clockOffBy`: how wrong the clock of this machine is, in milliseconds. */
  static async at(browser, url, { size = [1440, 900], context, clockOffBy = 0, ...options } = {}) {
    const person = new this();
    person.context = context ?? (await browser.newContext({ viewport: { width: size[0], height: size[1] }, colorScheme: 'light', ...options }));
    person.page = await person.context.newPage();
    person.page.setDefaultTimeout(LIMIT_MS);
    person.page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) person.#complaints.push(`${message.text()} (${message.location().url})`);
    });
    person.page.on('pageerror', (error) => person.#complaints.push(String(error.stack)));
    await person.page.exposeFunction('complain', (text) => person.#complaints.push(text));
    await person.page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => globalThis.complain(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    });
    if (clockOffBy !== 0) await person.page.addInitScript(wrongClock, clockOffBy);
    await person.page.goto(url);
    return person;
  }

  /** In one line, which also the shortest report of a failure shows. */
  hadNothingToComplainOf() {
    const complaints = this.#complaints.filter((text) => !this.expected.some((pattern) => pattern.test(text)));
    assert.ok(complaints.length === 0, `the browser complained: ${complaints.join(' · ').replace(/\s+/g, ' ')}`);
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

  /** The connection is gone, and the page knows. */
  async cutOff() {
    await this.page.locator('#chat[data-tone="off"]').waitFor();
  }

  /** As an impatient person: does not wait for the next attempt. */
  async comesBack() {
    const now = this.page.getByRole('button', { name: 'Reconnect now' });
    const good = this.page.locator('#chat[data-tone="good"]');
    await now.or(good).first().waitFor();
    if (await now.isVisible()) await now.click({ timeout: 2_000 }).catch(() => {});
    await good.waitFor({ timeout: 2 * LIMIT_MS });
  }

  /** Waits until a text is shown somewhere. */
  async reads(text) {
    await this.page.getByText(text).filter({ visible: true }).first().waitFor().catch(async (cause) => {
      throw new Error(`${text} is not there, but:\n${await this.page.evaluate(() => document.body.innerText.slice(-2_000))}`, { cause });
    });
  }

  /** Waits until the end of the log is in view, and nothing says otherwise. */
  async isAtTheNewest(where) {
    const toEnd = () =>
      this.page.evaluate(() => {
        const { scrollHeight, scrollTop, clientHeight } = document.getElementById('scroll');
        return { button: !document.getElementById('newer').hidden, below: Math.floor(Math.max(0, scrollHeight - scrollTop - clientHeight) / 2) };
      });
    await eventually(async () => assert.deepEqual(await toEnd(), { button: false, below: 0 }, where));
  }

  /** The colour of the page. */
  ground() {
    return this.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  }

  async write(text) {
    await this.composer.fill(text);
  }

  async press(...keys) {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** Waits until what the first key and the first look at a message load is at work, not merely there. */
  async hasItsParts() {
    await this.press('Shift');
    const more = this.page.locator('.said .more');
    // A line that comes meanwhile moves the messages away from under the mouse.
    await eventually(async () => {
      await this.page.locator('.said').last().hover();
      assert.equal(await more.count(), 1);
    });
    await this.page.mouse.move(0, 0);
    await more.waitFor({ state: 'detached' });
    // What the page does with them follows before a new task begins.
    await this.page.evaluate(() => Promise.all([import('/unsent.js'), import('/view/keys.js')]).then(() => new Promise((resolve) => setTimeout(resolve))));
  }

  /** Waits until what lay over the room has gone, and its entry in the browser's history with it. */
  async isInTheRoom() {
    await this.page.waitForFunction(() => history.state === null);
  }

  /** Waits until the focus is there. */
  async isOn(id) {
    await eventually(async () => assert.equal(await this.page.evaluate(() => document.activeElement?.id), id));
  }

  async click(name) {
    await this.page.getByRole('button', { name, exact: true }).click();
  }

  /** Where one writes. */
  get composer() {
    return this.page.locator('#text');
  }

  async say(text) {
    await this.write(text);
    await this.composer.press('Enter');
  }

  /** Waits until the sign-in is over. */
  async atTheEntrance() {
    await this.page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
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
    await eventually(async () => assert.deepEqual((await this.people()).sort(), wanted));
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
    const wide = () => this.page.evaluate(() => {
      const width = document.documentElement.clientWidth;
      const visible = [...document.querySelectorAll('body *')].filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('.unseen, svg'));
      const over = visible.filter((element) => element.getBoundingClientRect().right > width + 0.5).map((element) => `${element.tagName}.${element.className}`);
      return document.documentElement.scrollWidth > width ? ['the page', ...over] : over;
    });
    await eventually(async () => assert.deepEqual(await wide(), [], where));
  }
}

/** Two frames: what was measured in the first is drawn in the second. And nothing moves any more. */
export function settled(page) {
  return page.evaluate(async () => {
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    // One that is cut short has ended, too.
    await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
  });
}

/** Runs in the page before everything else. */
function wrongClock(offBy) {
  const Right = Date;
  globalThis.Date = class extends Right {
    constructor(...parts) {
      if (parts.length > 0) super(...parts);
      else super(Right.now() + offBy);
    }

    static now() {
      return Right.now() + offBy;
    }
  };
}

/** No number missing, none twice. */
export function assertUnbroken(rows) {
  const [first] = rows[0];
  assert.deepEqual(rows.map(([seq]) => seq), rows.map((_, index) => first + index));
}
