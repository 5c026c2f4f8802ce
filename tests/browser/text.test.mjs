// What stands in messages, help with names, and what the page does to be noticed: in real windows.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, NETWORK, Person, Program, Server, Wire } from './house.mjs';
import { browser } from './scene.mjs';

const CLIENT = resolve(dirname(fileURLToPath(import.meta.url)), '../../client');
const FENCE = '```';

/** Chromium without a screen never hides a page, so the page is told that it is hidden; and what it shows as notifications is written down. */
async function withHiding(context) {
  await context.addInitScript(() => {
    let hidden = false;
    Object.defineProperty(document, 'hidden', { get: () => hidden });
    Object.defineProperty(document, 'visibilityState', { get: () => (hidden ? 'hidden' : 'visible') });
    globalThis.setHidden = (value) => {
      hidden = value;
      document.dispatchEvent(new Event('visibilitychange'));
    };
    globalThis.shown = [];
    globalThis.Notification = new Proxy(globalThis.Notification, {
      construct(target, [title, options]) {
        const notification = new target(title, options);
        globalThis.shown.push({ title, ...options, notification });
        return notification;
      },
    });
  });
}

const hide = (person, hidden = true) => person.page.evaluate((value) => globalThis.setHidden(value), hidden);
const notified = (person) => person.page.evaluate(() => globalThis.shown.filter(({ tag }) => tag !== 'chorus').map(({ title, body, tag, silent }) => ({ title, body, tag, silent })));
const options = (person) => person.page.locator('#mention-list [role="option"]');
const row = (person, text) => person.page.locator('#thread .said', { hasText: text });

describe('messages', () => {
  let server, alice, bob;
  before(async () => {
    server = await Server.start({ MESSAGE_LIMIT: '10000' });
    alice = await Person.at(browser, server.url);
    await alice.register('alice');
    bob = await Person.at(browser, server.url, { colorScheme: 'dark' });
    await bob.register('bob');
    await alice.sees('alice', 'bob');
  });
  after(async () => {
    await alice?.context.close();
    await bob?.context.close();
    await server?.stop();
  });

  test('whatever somebody tries, it stays text', async () => {
    const attacks = [
      '<script>document.title = "bad"</script>',
      '<img src=x onerror="document.title=1">',
      '"><svg onload=alert(1)>',
      'javascript:alert(1) JaVaScRiPt:alert(1) data:text/html,<script>alert(1)</script>',
      'https://example.org/"onmouseover="alert(1)',
      'https://example.org@evil.test/ http://javascript:alert(1)',
      '{{constructor.constructor("alert(1)")()}} ${alert(1)} &lt;b&gt;',
      '@<b>alice</b> @alice<script>',
    ];
    for (const text of attacks) {
      await alice.say(text);
      await bob.hears(text);
    }
    for (const person of [alice, bob]) {
      const found = await person.page.evaluate(() => ({
        tags: [...new Set([...document.querySelectorAll('#thread .text *')].map((element) => element.localName))].sort(),
        hrefs: [...document.querySelectorAll('#thread .text a')].map((a) => a.getAttribute('href')),
        title: document.title,
      }));
      assert.deepEqual(found, { tags: ['a', 'span'], hrefs: ['https://example.org/'], title: 'lobby · Chorus' });
    }
  });

  test('links open elsewhere, and the page behind them learns nothing', async () => {
    await alice.say('Read (https://example.org/a_(b)?c=d#e), please');
    const link = bob.page.getByRole('link', { name: 'https://example.org/a_(b)?c=d#e' });
    await link.waitFor();
    const told = await link.evaluate((a) => [a.href, a.target, a.rel, a.referrerPolicy]);
    assert.deepEqual(told, ['https://example.org/a_(b)?c=d#e', '_blank', 'noopener noreferrer', 'no-referrer']);
  });

  test('code is code, with its lines and its language', async () => {
    await alice.composer.fill(`Run \`npm test\` with\n${FENCE}js\nif (a < b) {\n  go("<b>");\n}\n${FENCE}\nand \`tell`);
    await alice.composer.press('Enter');
    const text = row(bob, 'npm test').locator('.text');
    await text.locator('pre').waitFor();
    assert.equal(await text.locator(':scope > code').textContent(), 'npm test');
    assert.equal(await text.locator('pre > code').textContent(), 'if (a < b) {\n  go("<b>");\n}');
    assert.equal(await text.locator('pre').getAttribute('data-language'), 'js');
    assert.match(await text.textContent(), /and `tell$/);
  });

  test('one’s own name marks the row, other names do not', async () => {
    await alice.say('Hello @BOB and @carol, not bob');
    const mine = row(bob, '@BOB and @carol');
    await mine.waitFor();
    assert.deepEqual(await mine.locator('.mention').allTextContents(), ['@BOB', '@carol']);
    assert.deepEqual(await mine.locator('.mention.me').allTextContents(), ['@BOB']);
    assert.ok(await mine.evaluate((element) => element.classList.contains('mentioned')));
    // The whole row, and as far on one side as on the other.
    const tint = (element) => {
      const { backgroundColor, left, right, borderRadius } = getComputedStyle(element, '::after');
      return { backgroundColor, left, right, borderRadius };
    };
    const { backgroundColor, ...edges } = await mine.evaluate(tint);
    assert.deepEqual(edges, { left: '0px', right: '0px', borderRadius: '6px' });
    assert.notEqual(backgroundColor, (await row(bob, 'Read (https').evaluate(tint)).backgroundColor);
    assert.ok(!(await row(alice, '@BOB and @carol').evaluate((element) => element.classList.contains('mentioned'))));
  });

  test('emoji alone are larger, and each line runs its own way', async () => {
    const size = (text) => row(bob, text).last().locator('.text').evaluate((element) => parseFloat(getComputedStyle(element).fontSize));
    await alice.say('🎉 👩‍👩‍👧‍👦');
    await alice.say('🎉 hurray');
    await bob.hears('🎉 hurray');
    assert.ok((await size('👩‍👩‍👧‍👦')) > 1.5 * (await size('hurray')));
    await alice.composer.fill('left to right\nשלום עולם');
    await alice.composer.press('Enter');
    await bob.hears('left to right\nשלום עולם');
    const sides = await row(bob, 'left to right').locator('.text').evaluate((element) => {
      const node = element.firstChild;
      const at = (from, to) => {
        const range = document.createRange();
        range.setStart(node, from);
        range.setEnd(node, to);
        return range.getBoundingClientRect();
      };
      const whole = element.getBoundingClientRect();
      return [at(0, 13).left - whole.left < 20, whole.right - at(14, 23).right < 20];
    });
    assert.deepEqual(sides, [true, true]);
  });

  test('nothing of it is wider than a phone', async () => {
    await alice.say(`https://example.org/${'long'.repeat(80)}`);
    await alice.composer.fill(`${FENCE}a_language_with_name\n${'x'.repeat(200)}\n${FENCE}\n\`${'y'.repeat(120)}\` @${'z'.repeat(50)}`);
    await alice.composer.press('Enter');
    await row(bob, 'zzzz').waitFor();
    for (const width of [320, 360]) {
      await bob.page.setViewportSize({ width, height: 740 });
      await bob.fits(`${width} px`);
    }
    await bob.page.setViewportSize({ width: 1440, height: 900 });
  });

  test('names are picked with the keyboard alone', async () => {
    const others = [];
    for (const name of ['bobby', 'bo_2', 'carol']) {
      const person = await Person.at(browser, server.url);
      await person.register(name);
      others.push(person);
    }
    await alice.sees('alice', 'bob', 'bobby', 'bo_2', 'carol');
    const input = alice.composer;
    const nothingOffered = () => eventually(async () => assert.equal(await options(alice).count(), 0));
    await input.focus();
    await alice.page.keyboard.type('hey @bo');
    await options(alice).first().waitFor();
    await eventually(async () => assert.deepEqual(await options(alice).locator('.name').allTextContents(), ['bo_2', 'bob', 'bobby']));
    const active = () => input.evaluate((element) => document.getElementById(element.getAttribute('aria-activedescendant'))?.querySelector('.name').textContent ?? null);
    assert.equal(await active(), 'bo_2');
    await alice.page.keyboard.press('ArrowDown');
    assert.equal(await active(), 'bob');
    await alice.page.keyboard.press('ArrowUp');
    await alice.page.keyboard.press('ArrowUp');
    assert.equal(await active(), 'bobby');
    await alice.picture('picker');
    await alice.page.keyboard.press('Tab');
    assert.equal(await input.inputValue(), 'hey @bobby ');
    await nothingOffered();
    await alice.page.keyboard.type('and @CAR');
    await options(alice).first().waitFor();
    await alice.page.keyboard.press('Enter');
    assert.equal(await input.inputValue(), 'hey @bobby and @carol ', 'taken, not sent');
    await alice.page.keyboard.type('@bo');
    await options(alice).first().waitFor();
    await alice.page.keyboard.press('Escape');
    await nothingOffered();
    await alice.page.keyboard.type('b');
    // Waved away until the next name.
    await nothingOffered();
    assert.equal(await active(), null);
    await alice.page.keyboard.press('Enter');
    await bob.hears('hey @bobby and @carol @bob');
    assert.equal(await input.inputValue(), '');
    await alice.page.keyboard.type('hey @car, hello');
    for (let key = 0; key < ', hello'.length; key += 1) await alice.page.keyboard.press('ArrowLeft');
    await options(alice).first().waitFor();
    await alice.page.keyboard.press('Tab');
    assert.equal(await input.inputValue(), 'hey @carol, hello');
    await nothingOffered();
    await input.fill('');
    await alice.page.keyboard.type('mail@bo');
    await nothingOffered();
    await input.fill('');
    // In the middle of a composition nothing is offered and nothing taken.
    const cdp = await alice.context.newCDPSession(alice.page);
    await alice.page.keyboard.type('@');
    await options(alice).first().waitFor();
    await cdp.send('Input.imeSetComposition', { text: 'bo', selectionStart: 2, selectionEnd: 2 });
    await nothingOffered();
    await cdp.send('Input.insertText', { text: 'bo' });
    await options(alice).first().waitFor();
    await input.fill('');
    for (const person of others) await person.context.close();
    await alice.sees('alice', 'bob');
  });

  test('a finger picks a name too', async () => {
    await alice.composer.focus();
    await alice.page.keyboard.type('@b');
    await options(alice).first().click();
    assert.equal(await alice.composer.inputValue(), '@bob ');
    await alice.isOn('text');
    await alice.composer.fill('');
  });

  test('a message tells its time to the keyboard and to a finger, over no words', async () => {
    for (const text of ['not the first of its group', 'the newest']) {
      await alice.say(text);
      await alice.hears(text);
    }
    await alice.composer.focus();
    const time = (person, text) => row(person, text).locator('.time');
    const overWords = (element) => {
      const words = document.createRange();
      words.selectNodeContents(element.querySelector('.text'));
      const { right, bottom } = element.querySelector('time').getBoundingClientRect();
      const { left, top } = words.getBoundingClientRect();
      return right > left && bottom > top;
    };
    // Its time, which is its address, is the last thing before the composer.
    await alice.page.keyboard.press('Shift+Tab');
    const focused = () => alice.page.evaluate(() => document.activeElement.closest('.said')?.querySelector('.text').textContent);
    assert.equal(await focused(), 'the newest');
    await alice.page.keyboard.press('ArrowUp');
    assert.equal(await focused(), 'not the first of its group');
    await alice.picture('time');
    await row(alice, '🎉 hurray').locator('.text').click();
    assert.equal(await focused(), '🎉 hurray');
    await alice.composer.focus();
    const phone = await Person.at(browser, server.url, { size: [360, 740], hasTouch: true, isMobile: true });
    await phone.signIn('bob');
    await phone.hears('the newest');
    await row(phone, 'the newest').locator('.text').tap();
    for (const person of [alice, phone]) {
      if (person === alice) await row(alice, 'the newest').hover();
      await person.page.waitForFunction((element) => getComputedStyle(element).opacity === '1', await time(person, 'the newest').elementHandle());
      assert.ok(!(await row(person, 'the newest').evaluate(overWords)));
      assert.match(await time(person, 'the newest').textContent(), /^\d?\d:\d\d$/);
      assert.match(await time(person, 'the newest').getAttribute('title'), /\d{4}.*:\d\d:\d\d/);
    }
    await phone.fits('time');
    await phone.picture('time-phone');
    await phone.context.close();
  });

  test('who came and went is one line, and opens with a key', async () => {
    const names = ['dora', 'emil', 'fritz', 'greta', 'hanna'];
    const people = [];
    for (const name of names) {
      const person = await Person.at(browser, server.url);
      await person.register(name);
      people.push(person);
    }
    const fold = alice.page.locator('.traffic .fold').last();
    await alice.page.locator('.traffic', { hasText: '3 others joined' }).last().waitFor();
    const list = alice.page.locator('.traffic .names').last();
    assert.equal(await fold.getAttribute('aria-expanded'), 'false');
    assert.ok(!(await list.isVisible()));
    await fold.focus();
    await alice.page.keyboard.press('Enter');
    await list.waitFor();
    assert.equal(await fold.getAttribute('aria-expanded'), 'true');
    await eventually(async () => {
      for (const name of names) assert.ok((await list.textContent()).includes(name), name);
    });
    await alice.picture('traffic');
    for (const person of people.slice(0, 1)) await person.context.close();
    await alice.page.locator('.traffic .names', { hasText: 'Left:' }).waitFor();
    assert.equal(await fold.getAttribute('aria-expanded'), 'true', 'it stays open while people come and go');
    assert.ok(await fold.evaluate((element) => element === document.activeElement));
    await alice.page.keyboard.press('Space');
    await list.waitFor({ state: 'hidden' });
    for (const person of people.slice(1)) await person.context.close();
  });

  test('the browser had nothing to complain of', () => {
    for (const person of [alice, bob]) person.hadNothingToComplainOf();
  });
});

test('↑ takes back what was not sent, and nothing else', async () => {
  const server = await Server.start();
  const wire = await Wire.to(server.port);
  try {
    const alice = await Person.at(browser, wire.url);
    alice.expected.push(...NETWORK);
    await alice.register('alice');
    await alice.say('said');
    await alice.hears('said');
    await alice.composer.press('ArrowUp');
    assert.equal(await alice.composer.inputValue(), '', 'what was said is not taken back');
    // What takes it back is loaded with the first key, while there is a network.
    await alice.hasItsParts();
    wire.cut();
    await alice.cutOff();
    await alice.say('first try');
    await alice.say('second try');
    await alice.page.locator('.said.waiting .text', { hasText: 'second try' }).waitFor();
    await alice.composer.press('ArrowUp');
    await eventually(async () => assert.equal(await alice.composer.inputValue(), 'second try'));
    await alice.page.waitForFunction(() => document.querySelectorAll('.said.waiting').length === 1);
    await alice.composer.press('ArrowUp');
    assert.equal(await alice.composer.inputValue(), 'second try', 'only in an empty composer');
    await alice.composer.fill('a better try');
    await alice.composer.press('Enter');
    wire.mend();
    await alice.comesBack();
    await alice.hears('a better try');
    assert.deepEqual((await alice.rows()).map(([, text]) => text), ['said', 'first try', 'a better try']);
    alice.hadNothingToComplainOf();
    await alice.context.close();
  } finally {
    wire.close();
    await server.stop();
  }
});

describe('attention', () => {
  let server, program, alice, second;
  before(async () => {
    server = await Server.start({ MESSAGE_LIMIT: '10000' });
    program = await Program.signIn(server, 'bob');
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'light' });
    await withHiding(context);
    alice = await Person.at(browser, server.url, { context });
    await alice.register('alice');
    second = await Person.at(browser, server.url, { context });
    await second.connected();
  });
  after(async () => {
    await alice?.context.close();
    await server?.stop();
  });
  const title = (person, wanted) => person.page.waitForFunction((text) => document.title === text, wanted);
  const icon = (person) => person.page.locator('link[rel="icon"]').getAttribute('href');

  test('the title counts what was not seen, the icon has a dot, and both go when it is', async () => {
    // Otherwise what is read in the one window is read in both.
    await hide(second);
    await program.say('seen at once');
    await alice.hears('seen at once');
    await title(alice, 'lobby · Chorus');
    await hide(alice);
    await program.say('one');
    await program.say('two');
    await title(alice, '(2) lobby · Chorus');
    assert.equal(await icon(alice), 'favicon-unread.svg');
    assert.equal((await fetch(`${server.url}/favicon-unread.svg`)).headers.get('content-type'), 'image/svg+xml');
    await hide(alice, false);
    await title(alice, 'lobby · Chorus');
    assert.match(await icon(alice), /^data:image\/svg/);
    assert.deepEqual(await notified(alice), [], 'nobody asked for notifications');
  });

  test('one who reads above sees the number until the newest is seen', async () => {
    for (let number = 0; number < 40; number += 1) await program.say(`line ${number}`);
    await alice.hears('line 39');
    await alice.page.evaluate(() => (document.getElementById('scroll').scrollTop = 0));
    await alice.page.getByRole('button', { name: 'To the newest' }).waitFor();
    await program.say('below');
    await title(alice, '(1) lobby · Chorus');
    await alice.page.getByRole('button', { name: '1 new message' }).click();
    await title(alice, 'lobby · Chorus');
  });

  test('the browser asks when a person chooses, not before, and nothing is on until it is allowed', async () => {
    assert.equal(await alice.page.evaluate(() => Notification.permission), 'default');
    await alice.page.locator('#menu').getByText('Mentions', { exact: true }).click();
    await alice.page.getByText('Your browser asks you to allow it.').waitFor();
    assert.ok(await alice.page.getByRole('radio', { name: 'Off' }).isChecked());
    await alice.page.reload();
    await alice.connected();
  });

  test('a browser that says no is believed, in one line', async () => {
    const cdp = await alice.context.newCDPSession(alice.page);
    const { targetInfo } = await cdp.send('Target.getTargetInfo');
    await cdp.send('Browser.setPermission', { permission: { name: 'notifications' }, setting: 'denied', origin: server.url, browserContextId: targetInfo.browserContextId });
    await alice.page.locator('#menu').getByText('All', { exact: true }).click();
    await alice.page.getByText('Your browser blocks notifications from this page.').waitFor();
    assert.ok(await alice.page.getByRole('radio', { name: 'Off' }).isChecked());
    await alice.picture('notifications-denied');
  });

  test('of two hidden windows exactly one notifies, silently; of a visible one none does', async () => {
    await alice.context.grantPermissions(['notifications'], { origin: server.url });
    await alice.page.locator('#menu').getByText('All', { exact: true }).click();
    await alice.page.waitForFunction(() => globalThis.shown.length === 1);
    assert.deepEqual(await alice.page.evaluate(() => globalThis.shown.map(({ title, silent }) => [title, silent])), [['Notifications are on', true]]);
    await second.page.waitForFunction(() => document.querySelector('input[name="notify"][value="all"]').checked);
    await hide(second, false);
    await hide(alice);
    await program.say('another window is visible');
    await alice.hears('another window is visible');
    await alice.page.waitForTimeout(800);
    assert.deepEqual([...(await notified(alice)), ...(await notified(second))], []);
    await hide(second);
    await program.say('hello?');
    const told = async () => [...(await notified(alice)), ...(await notified(second))];
    await eventually(async () => assert.ok((await told()).length > 0, 'nobody is told'));
    await alice.page.waitForTimeout(800);
    assert.deepEqual(await told(), [{ title: 'bob in lobby', body: 'hello?', tag: 'chorus:lobby', silent: true }]);
    for (let number = 1; number <= 5; number += 1) await program.say(`more ${number}`);
    await title(second, '(6) lobby · Chorus');
    const count = (all) => all.slice(1).reduce((sum, { title: text }) => sum + (Number(/^(\d+) messages/.exec(text)?.[1]) || 1), 0);
    await eventually(async () => assert.ok(count(await told()) >= 5, JSON.stringify(await told())));
    // And none comes late.
    await alice.page.waitForTimeout(800);
    assert.equal(count(await told()), 5, JSON.stringify(await told()));
  });

  test('a click on it leads to the window, and to the composer', async () => {
    const person = (await notified(alice)).length > 0 ? alice : second;
    await person.page.evaluate(() => {
      globalThis.focused = 0;
      globalThis.focus = () => (globalThis.focused += 1);
      document.activeElement?.blur();
      globalThis.shown.at(-1).notification.dispatchEvent(new Event('click'));
    });
    assert.equal(await person.page.evaluate(() => globalThis.focused), 1);
    await person.isOn('text');
  });

  test('with mentions only, other messages are quiet', async () => {
    await hide(second, false);
    await second.page.locator('#menu').getByText('Mentions', { exact: true }).click();
    await alice.page.waitForFunction(() => document.querySelector('input[name="notify"][value="mentions"]').checked);
    for (const person of [alice, second]) await person.page.evaluate(() => (globalThis.shown.length = 0));
    await hide(second);
    await program.say('not for anybody');
    await program.say('but this, @Alice');
    const told = async () => [...(await notified(alice)), ...(await notified(second))];
    await eventually(async () => assert.ok((await told()).length > 0, 'nobody is told'));
    await alice.page.waitForTimeout(500);
    assert.deepEqual((await told()).map(({ body }) => body), ['but this, @Alice']);
  });

  test('a browser that has the permission and shows none says so when it is asked, and not later', async () => {
    const carol = await Person.at(browser, 'about:blank', { context: alice.context });
    await carol.page.addInitScript(() => {
      globalThis.Notification = Object.assign(function Notification() {
        throw new TypeError('Illegal constructor.');
      }, { permission: 'granted', requestPermission: async () => 'granted' });
    });
    await carol.page.goto(server.url);
    await carol.connected();
    await carol.page.locator('#menu').getByText('All', { exact: true }).click();
    await carol.reads('This browser can’t show notifications from this page.');
    assert.ok(await carol.page.getByRole('radio', { name: 'Off' }).isChecked());
    await carol.page.close();
    // The other windows have been told.
    for (const { page } of [alice, second]) await page.waitForFunction(() => document.querySelector('input[name="notify"][value="off"]').checked);
    await alice.page.locator('#menu').getByText('Mentions', { exact: true }).click();
    await second.page.waitForFunction(() => document.querySelector('input[name="notify"][value="mentions"]').checked);
  });

  test('the choice outlives a reload, and signing out leaves no trace of what was told', async () => {
    await alice.page.reload();
    await alice.connected();
    assert.ok(await alice.page.getByRole('radio', { name: 'Mentions' }).isChecked());
    await alice.signOut();
    await alice.atTheEntrance();
    await title(alice, 'Sign in – Chorus');
    // The choice is the browser's; the rooms wait for their person.
    assert.deepEqual(await alice.page.evaluate(() => Object.keys(localStorage).sort()), ['chorus.notify', 'chorus:read:alice', 'chorus:rooms:alice']);
  });

  test('the browser had nothing to complain of', () => {
    for (const person of [alice, second]) person.hadNothingToComplainOf();
  });
});

describe('a newer client', () => {
  test('is announced in one line, and a reload keeps what one was writing', async () => {
    const server = await Server.start();
    try {
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'light' });
      const alice = await Person.at(browser, 'about:blank', { context });
      let build = 'old';
      let drop = () => {};
      await alice.page.routeWebSocket(/\/ws/, (near) => {
        const far = near.connectToServer();
        drop = () => near.close({ code: 1012 });
        far.onMessage((data) => near.send(typeof data === 'string' ? data.replace(/"build":"[^"]*"/, `"build":"${build}"`) : data));
      });
      await alice.page.goto(server.url);
      await alice.register('alice');
      assert.ok(!(await alice.page.locator('#updated').isVisible()));
      build = 'new';
      drop();
      await alice.page.getByText('Chorus was updated.').waitFor();
      await alice.connected();
      await alice.composer.fill('half a sentence');
      await alice.picture('updated');
      await alice.page.setViewportSize({ width: 360, height: 740 });
      await alice.fits('updated');
      await alice.picture('updated-phone');
      await alice.page.getByRole('button', { name: 'Reload' }).click();
      await alice.page.waitForFunction(() => performance.getEntriesByType('navigation')[0]?.type === 'reload');
      await alice.connected();
      assert.ok(!(await alice.page.locator('#updated').isVisible()));
      assert.equal(await alice.composer.inputValue(), 'half a sentence');
      await context.close();
    } finally {
      await server.stop();
    }
  });

  test('a module that is missing loads the page once more, and never again and again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'chorus-client-'));
    await cp(CLIENT, folder, { recursive: true });
    const server = await Server.start({ CLIENT_DIR: folder });
    try {
      const page = await browser.newPage();
      let loads = 0;
      page.on('request', (request) => (loads += request.isNavigationRequest() ? 1 : 0));
      await page.route('**/view/dom.js', (route) => (loads === 1 ? route.fulfill({ status: 404, body: '' }) : route.continue()));
      await page.goto(server.url);
      await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
      assert.equal(loads, 2);
      await page.waitForFunction(() => sessionStorage.length === 0);
      // An old module that lacks what a new one wants of it.
      await page.unroute('**/view/dom.js');
      await page.route('**/view/dom.js', (route) => (loads === 1 ? route.fulfill({ contentType: 'text/javascript', body: 'export const old = 1;' }) : route.continue()));
      loads = 0;
      await page.reload();
      await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
      assert.equal(loads, 2);
      await rm(join(folder, 'view/dom.js'));
      loads = 0;
      await page.reload();
      await page.getByText('could not be loaded').waitFor();
      await page.waitForTimeout(1_500);
      assert.equal(loads, 2);
      await page.close();
    } finally {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
