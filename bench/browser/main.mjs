// What the page costs in a browser: `./bench/run browser`. A real node, a real Chromium, one page that is
// read, and people who write; all on loopback. docs/performance.md says what the figures mean.
import { readFile } from 'node:fs/promises';
import { launch, Person, Server } from '../../tests/browser/house.mjs';
import { Feeder } from './feeder.mjs';
import { noteReady, scrollTo, watchFrames } from './page.mjs';
import { digits, figure, kb, median, ms, percentile, print, step } from './report.mjs';

const LIMITS = { MESSAGE_LIMIT: '100000', MAX_SOCKETS_PER_USER: '1000', MAX_SOCKETS_PER_ADDRESS: '10000' };
const HISTORY = 10_000;
const PER_SECOND = 500;
const ROUNDS = 5;
const WRITERS = 8;
/** A phone's network: what a round trip takes, and bytes per second. */
const PHONE = { offline: false, latency: 60, downloadThroughput: 1_250_000, uploadThroughput: 625_000 };

/** What the entrance can do without. */
const CHAT = (await readFile(new URL('../../client/early.js', import.meta.url), 'utf8')).match(/const CHAT = '([^']+)'/)[1].split(' ').map((name) => `/${name}.js`);

const server = await Server.start(LIMITS);
const browser = await launch();
let feeder;
try {
  feeder = await Feeder.with(server, WRITERS);
  step(`Chromium ${browser.version()}`);
  await feeder.say(200, PER_SECOND);
  const account = await signedIn();
  await loads(account);
  await storm(account);
} finally {
  feeder?.close();
  await browser.close();
  await server.stop();
}
print();

/** The reader, once: what a browser keeps of the sign-in. */
async function signedIn() {
  const person = await Person.at(browser, server.url);
  await person.register('reader');
  const state = await person.context.storageState();
  await person.context.close();
  return state;
}

/** A browser that has never seen the page, of somebody who is signed in. */
async function newcomer(storageState) {
  const context = await browser.newContext({ storageState, viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.addInitScript(noteReady);
  const devtools = await context.newCDPSession(page);
  await devtools.send('Network.enable');
  return { context, page, devtools };
}

async function ready(page, load) {
  await load();
  await page.waitForFunction(() => globalThis.ready?.connected);
  return page.evaluate(() => globalThis.ready);
}

/** Counts what comes over the wire, heads of answers included, except what is no file of the page. */
function wire(devtools) {
  const files = new Map();
  const told = { files: 0, unchanged: 0, bytes: 0, entrance: 0 };
  const isFile = (url) => /^\/($|favicon|manifest|[\w-]+\.(js|css)$|(sdk|view|styles)\/)/.test(new URL(url).pathname);
  devtools.on('Network.responseReceived', ({ requestId, response }) => {
    if (isFile(response.url)) files.set(requestId, response);
  });
  devtools.on('Network.responseReceivedExtraInfo', ({ requestId, statusCode }) => {
    if (statusCode === 304) files.set(`304 ${requestId}`, null);
  });
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const response = files.get(requestId);
    if (!response) return;
    told.files += 1;
    told.bytes += encodedDataLength;
    if (!CHAT.includes(new URL(response.url).pathname)) told.entrance += encodedDataLength;
    if (files.has(`304 ${requestId}`) || response.fromDiskCache || response.status === 304) told.unchanged += 1;
  });
  return told;
}

async function loads(account) {
  const first = [];
  const again = [];
  const phone = [];
  let one, two, all;
  for (let round = 0; round < ROUNDS; round += 1) {
    const { context, page, devtools } = await newcomer(account);
    all = wire(devtools);
    first.push(await ready(page, () => page.goto(server.url)));
    one = { ...all };
    await page.waitForFunction(() => performance.getEntriesByName(new URL('view/jump.js', location.href).href).length > 0);
    await page.waitForLoadState('networkidle');
    await devtools.detach();
    const later = await context.newCDPSession(page);
    await later.send('Network.enable');
    two = wire(later);
    again.push(await ready(page, () => page.reload()));
    await page.waitForLoadState('networkidle');
    await context.close();
    const far = await newcomer(account);
    await far.devtools.send('Network.emulateNetworkConditions', PHONE);
    phone.push(await ready(far.page, () => far.page.goto(server.url)));
    await far.context.close();
  }
  const stranger = await newcomer(undefined);
  const before = wire(stranger.devtools);
  await stranger.page.goto(server.url);
  await stranger.page.locator('#entrance-submit').waitFor();
  await stranger.page.waitForLoadState('networkidle');
  await stranger.context.close();
  const of = (rounds, what) => ms(median(rounds.map((round) => round[what])));
  figure('first load: composer there', of(first, 'composer'));
  figure('first load: connected and the newest page shown', of(first, 'connected'));
  figure('second load: composer there', of(again, 'composer'));
  figure('second load: connected and the newest page shown', of(again, 'connected'));
  figure(`first load at ${PHONE.latency} ms a round trip and 10 Mbit/s: composer there`, of(phone, 'composer'));
  figure('the same: connected and the newest page shown', of(phone, 'connected'));
  figure(`first load: bytes of ${one.files} files, with their heads, until the chat is ready`, kb(one.bytes), '< 60 KB');
  figure('of these what the entrance needs', kb(before.entrance));
  figure(`and with all that is loaded when the page has time (${all.files} files)`, kb(all.bytes));
  figure(`second load: bytes; ${two.unchanged} of ${two.files} files unchanged (304)`, kb(two.bytes), 'all unchanged');
}

async function storm(account) {
  const { context, page, devtools } = await newcomer(account);
  await ready(page, () => page.goto(server.url));
  await page.evaluate(watchFrames);
  await page.waitForTimeout(3_000);
  frames('a quiet room', await page.evaluate(() => globalThis.frames.stop()));
  await memory(devtools, 'before');

  await page.evaluate(watchFrames);
  const began = await lastSeq(page);
  const rate = await feeder.say(HISTORY, PER_SECOND);
  await shown(page, began + HISTORY);
  frames(`${HISTORY} messages at ${digits(rate)} a second, read at the end`, await page.evaluate(() => globalThis.frames.stop()), '≤ 50 ms');
  await memory(devtools, 'after');

  const newest = began + HISTORY;
  const up = await page.evaluate(scrollTo, { goal: 1, step: -600, limitMs: 180_000 });
  scrolled(`back through ${newest} messages`, up);
  await memory(devtools, 'there');
  const down = await page.evaluate(scrollTo, { goal: newest, step: 600, limitMs: 180_000 });
  scrolled('and down again to the newest', down);

  await page.evaluate(() => (document.getElementById('scroll').scrollTop = 20_000));
  await page.waitForTimeout(500);
  await page.evaluate(watchFrames);
  await feeder.say(2_000, PER_SECOND);
  frames('2000 messages at 500 a second, while the reader is further up', await page.evaluate(() => globalThis.frames.stop()), '≤ 50 ms');
  const clicked = await page.evaluate(() => performance.now());
  await page.locator('#newer').click();
  await shown(page, newest + 2_000);
  figure('“to the newest” after that', ms((await page.evaluate(() => performance.now())) - clicked));
  figure('rows in the page then', String(await page.locator('#thread [data-seq]').count()), '≤ 2000');
  await context.close();
}

function lastSeq(page) {
  return page.evaluate(() => Number([...document.querySelectorAll('#thread [data-seq]')].at(-1).dataset.seq));
}

async function shown(page, seq) {
  await page.waitForFunction((wanted) => document.querySelector(`#thread [data-seq="${wanted}"]`), seq, { timeout: 60_000 });
}

function frames(what, { deltas, longTasks }, target = '') {
  figure(`${what}: frames p50 / p99 / longest`, [50, 99, 100].map((percent) => digits(percentile(deltas, percent))).join(' / ') + ' ms', target && `p99 ${target}`);
  if (target) figure('the same: tasks over 50 ms, and the longest', `${longTasks.length}, ${ms(Math.max(0, ...longTasks))}`);
}

function scrolled(what, { deltas, pageTimes, jump, mostRows, broken, arrived }) {
  if (!arrived) throw new Error(`${what}: did not arrive (${mostRows} rows)`);
  if (broken > 0) throw new Error(`${what}: numbers were missing`);
  figure(`${what}: ${pageTimes.length} pages, each p50 / p99`, `${digits(median(pageTimes))} / ${digits(percentile(pageTimes, 99))} ms`);
  figure('the same: frames p50 / p99 / longest', [50, 99, 100].map((percent) => digits(percentile(deltas, percent))).join(' / ') + ' ms', 'p99 ≤ 50 ms');
  figure('the same: the furthest that a row jumped', `${digits(jump)} px`, '≤ 1 px');
  figure('the same: most rows in the page', String(mostRows), '≤ 2000');
}

async function memory(devtools, when) {
  await devtools.send('HeapProfiler.enable');
  await devtools.send('HeapProfiler.collectGarbage');
  const { usedSize } = await devtools.send('Runtime.getHeapUsage');
  const { nodes } = await devtools.send('Memory.getDOMCounters');
  figure(`memory ${when}: heap in use, nodes`, `${digits(usedSize / 1e6)} MB, ${nodes}`);
}
