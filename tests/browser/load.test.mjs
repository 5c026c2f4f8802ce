// What the page costs to load, counted by Chromium on a real wire; and what was left for later: it is there
// when the network is not, and what can't be had is said and can be asked for again.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { eventually, launch, NETWORK, Person, Program, Server, Wire } from './house.mjs';

/** What comes before somebody can write their name, and until they are in the chat. */
const ENTRANCE_BYTES = 30_000;
const MOST_BYTES = 60_000;
const CHAT = (await readFile(new URL('../../client/early.js', import.meta.url), 'utf8')).match(/const CHAT = '([^']+)'/)[1].split(' ').map((name) => `/${name}.js`);
const LATER = ['/styles/later.css', '/finding.js', '/notifier.js', '/password.js', '/rooms.js', '/mention.js', '/unsent.js', '/view/actions.js', '/view/jump.js', '/view/keys.js', '/view/mention-picker.js', '/view/password.js', '/view/people-search.js', '/view/row-focus.js', '/view/shortcuts.js', '/view/spoken.js'];

let browser, server;
before(async () => {
  browser = await launch();
  // The files as they are built in: compressed, without comments.
  server = await Server.start({ CLIENT_DIR: undefined });
  await warmed();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Each file is packed when it is first asked for, which takes a build without optimisation its time. */
async function warmed() {
  const { paths } = await load(await browser.newPage(), server.url, async (page) => {
    await page.locator('#entrance-submit').waitFor();
    await page.waitForFunction((count) => performance.getEntriesByType('resource').length >= count, CHAT.length);
  });
  await Promise.all([...paths, ...LATER].map((path) => fetch(server.url + path, { headers: { 'Accept-Encoding': 'br' } })));
}

/** What came over the wire until `until` was over, heads included, by path; calls to the server too. */
async function load(page, url, until) {
  page.setDefaultTimeout(30_000);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Network.enable');
  await devtools.send('Network.setCacheDisabled', { cacheDisabled: true });
  const paths = new Map();
  const bytes = new Map();
  devtools.on('Network.requestWillBeSent', ({ requestId, request }) => paths.set(requestId, new URL(request.url).pathname));
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const path = paths.get(requestId);
    bytes.set(path, (bytes.get(path) ?? 0) + encodedDataLength);
  });
  await page.goto(url);
  await until(page, devtools);
  const counted = new Map(bytes);
  await devtools.detach();
  return { bytes: counted, paths: [...counted.keys()].filter((path) => !isCall(path)) };
}

const isCall = (path) => ['/server', '/health', '/login', '/register', '/refresh', '/ws-ticket', '/ws', '/me'].includes(path);

const sum = (bytes, wanted) => [...bytes].reduce((total, [path, size]) => total + (wanted(path) ? size : 0), 0);

/** Everybody signs in with an account that is there already: that is what one does most often. */
async function account(name) {
  await Program.signIn(server, name);
}

describe('bytes of a first load, with nothing kept from before', () => {
  test('from the entrance to a chat that is ready', async (t) => {
    await account('alice');
    const context = await browser.newContext();
    const person = new Person();
    person.page = await context.newPage();
    const { bytes } = await load(person.page, server.url, async () => {
      await person.page.locator('#entrance-submit').waitFor();
      await person.signIn('alice');
    });
    for (const path of CHAT) assert.ok(bytes.has(path), `${path} was loaded`);
    for (const path of LATER) assert.ok(!bytes.has(path), `${path} was not needed`);
    const entrance = sum(bytes, (path) => !isCall(path) && !CHAT.includes(path));
    const all = sum(bytes, (path) => !isCall(path));
    const calls = sum(bytes, isCall);
    t.diagnostic(`the entrance ${entrance}, with the chat ${all}, ${bytes.size} answers; calls to the server besides ${calls}`);
    assert.ok(entrance > 10_000 && entrance < ENTRANCE_BYTES, `${entrance} bytes`);
    assert.ok(all < MOST_BYTES, `${all} bytes`);
    await context.close();
  });

  test('straight into the chat, and again: what has not changed is not sent', async (t) => {
    await account('bob');
    const context = await browser.newContext();
    const bob = await Person.at(browser, server.url, { context });
    await bob.signIn('bob');
    await bob.page.close();
    const page = await context.newPage();
    const connected = () => page.locator('#chat[data-tone="good"]').waitFor();
    const { bytes } = await load(page, server.url, connected);
    const all = sum(bytes, (path) => !isCall(path));
    t.diagnostic(`signed in ${all}; calls to the server besides ${sum(bytes, isCall)}`);
    assert.ok(all < MOST_BYTES, `${all} bytes`);
    // The modules of the chat do not wait for main.js, nor for each other.
    const early = await context.newPage();
    const asked = new Set();
    let letGo = () => {};
    const held = new Promise((resolve) => (letGo = resolve));
    early.on('request', (request) => asked.add(new URL(request.url()).pathname));
    await early.route('**/main.js', (route) => held.then(() => route.continue()));
    const loading = early.goto(server.url);
    await eventually(async () => assert.deepEqual(CHAT.filter((path) => !asked.has(path)), []));
    letGo();
    await loading;
    await early.close();

    const devtools = await context.newCDPSession(page);
    await devtools.send('Network.enable');
    const paths = new Map();
    const statuses = new Map();
    devtools.on('Network.requestWillBeSent', ({ requestId, request }) => paths.set(requestId, new URL(request.url).pathname));
    devtools.on('Network.responseReceivedExtraInfo', ({ requestId, statusCode }) => statuses.set(requestId, statusCode));
    await page.reload();
    await connected();
    // Once with a cache, so that there is something in it.
    statuses.clear();
    paths.clear();
    await page.reload();
    await connected();
    const answered = [...paths].filter(([id, path]) => !isCall(path) && !LATER.includes(path) && statuses.has(id));
    assert.ok(answered.length >= CHAT.length + 10, `${answered.length} files`);
    for (const [id, path] of answered) assert.equal(statuses.get(id), 304, path);
    await context.close();
  });
});

describe('what is loaded later', () => {
  let wire;
  before(async () => (wire = await Wire.to(server.port)));
  after(() => wire?.close());

  /** @param {Person} person */
  const loaded = (person, paths) => person.page.waitForFunction((wanted) => {
    const there = performance.getEntriesByType('resource').filter(({ responseEnd }) => responseEnd > 0).map(({ name }) => new URL(name).pathname);
    return wanted.every((path) => there.includes(path));
  }, paths, { timeout: 60_000 });

  test('is there when the network is not, once the page had time', async () => {
    await account('carol');
    const dave = await Program.signIn(server, 'dave');
    await dave.enter();
    const carol = await Person.at(browser, wire.url);
    carol.expected.push(...NETWORK);
    await carol.signIn('carol');
    await carol.page.locator('#people-list').getByText('dave').waitFor();
    await loaded(carol, LATER);
    // By which a browser offers to keep the page as an app.
    await carol.page.locator('link[rel="manifest"]').waitFor({ state: 'attached' });
    await carol.context.setOffline(true);
    wire.cut();
    await carol.cutOff();
    await carol.press('Control+k');
    await carol.page.locator('#jump[open]').waitFor();
    await carol.press('Escape');
    await carol.click('Change password');
    await carol.page.locator('#password-dialog[open]').waitFor();
    await carol.press('Escape');
    await carol.page.locator('#text').pressSequentially('@da');
    await carol.page.locator('#mention-list').getByText('dave').waitFor();
    wire.mend();
    await carol.context.setOffline(false);
    await carol.comesBack();
    carol.hadNothingToComplainOf();
    await carol.context.close();
    dave.leave();
  });

  test('that cannot be had is said, and can be asked for again', async () => {
    await account('erin');
    const erin = await Person.at(browser, 'about:blank');
    erin.expected.push(...NETWORK, /^chorus: (jump|password): /, /status of 404/);
    await erin.page.route('**/view/jump.js', (route) => route.abort());
    await erin.page.route('**/view/password.js', (route) => route.fulfill({ status: 404, body: '' }));
    await erin.page.goto(server.url);
    await erin.signIn('erin');
    await erin.press('Control+k');
    await erin.reads('The list of rooms could not be opened.');
    await erin.fits('a part that is missing');
    await erin.page.unroute('**/view/jump.js');
    await erin.click('Try again');
    await erin.page.locator('#jump[open]').waitFor();
    await erin.press('Escape');
    await erin.page.getByText('could not be opened').waitFor({ state: 'hidden' });
    // What does not come though the server is there belongs to another version of the page.
    await erin.click('Change password');
    await erin.reads('The form for a new password could not be opened.');
    await erin.click('Try again');
    await erin.page.getByRole('button', { name: 'Reload', exact: true }).waitFor();
    await erin.picture('part-missing');
    await erin.page.unroute('**/view/password.js');
    await erin.write('half a sentence');
    await erin.click('Reload');
    await erin.page.waitForFunction(() => performance.getEntriesByType('navigation')[0]?.type === 'reload');
    await erin.connected();
    assert.equal(await erin.page.locator('#text').inputValue(), 'half a sentence');
    await erin.click('Change password');
    await erin.page.locator('#password-dialog[open]').waitFor();
    erin.hadNothingToComplainOf();
    await erin.context.close();
  });

  test('at the entrance: a chat that does not come is said, and comes when the network does', async () => {
    await account('frank');
    const frank = await Person.at(browser, 'about:blank');
    frank.expected.push(...NETWORK, /^chorus: TypeError/);
    await frank.page.route('**/chat.js', (route) => route.abort());
    await frank.page.goto(wire.url);
    await frank.fill('frank');
    wire.cut();
    await frank.click('Sign in');
    await frank.reads('The server can’t be reached. Check the network and try again.');
    await frank.page.unroute('**/chat.js');
    wire.mend();
    await frank.click('Sign in');
    await frank.connected();
    assert.equal(await frank.page.evaluate(() => performance.getEntriesByType('navigation')[0]?.type), 'navigate', 'it was not loaded anew');
    frank.hadNothingToComplainOf();
    await frank.context.close();
  });

  test('at the entrance: a chat of another version loads the page once more, and then says so', async () => {
    await account('grace');
    const grace = await Person.at(browser, 'about:blank');
    // The browser's own words for an error that was handed to it are empty.
    grace.expected.push(/^chorus: SyntaxError/, /does not provide an export/, /^$/);
    let loads = 0;
    grace.page.on('domcontentloaded', () => (loads += 1));
    await grace.page.route('**/words.js', (route) => route.fulfill({ contentType: 'text/javascript', body: 'export const old = 1;' }));
    await grace.page.goto(server.url);
    await grace.fill('grace');
    await grace.click('Sign in');
    await grace.page.waitForFunction(() => performance.getEntriesByType('navigation')[0]?.type === 'reload');
    await grace.fill('grace');
    await grace.click('Sign in');
    await grace.reads('Chorus is being updated and could not be loaded.');
    assert.equal(loads, 2);
    await grace.page.unroute('**/words.js');
    await grace.page.reload();
    await grace.signIn('grace');
    grace.hadNothingToComplainOf();
    await grace.context.close();
  });
});
