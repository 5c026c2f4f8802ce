// Small things that were in somebody's way: each was met by a person who used the page for a day.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually, NETWORK, Program, settled } from './house.mjs';
import { visited } from './scene.mjs';

const scene = visited({ MESSAGE_LIMIT: '10000', SIGN_IN_PER_MINUTE: '6000' });
const PHONE = { size: [390, 844], hasTouch: true, isMobile: true };
let bob;
let made = 0;

/** With the first who comes: once there is a server. */
async function prepared() {
  if (bob) return;
  bob = await Program.signIn(scene.server, 'bob');
  for (const name of ['ideas', 'general']) await bob.call('/rooms', { room: name });
  for (let n = 1; n <= 40; n += 1) await bob.say(`line ${n}`);
}

/** Somebody new, to whom the keys and the actions have come. */
async function somebody(options = {}) {
  await prepared();
  const person = await scene.somebody(options);
  person.name = `person${(made += 1)}`;
  await person.register(person.name);
  await person.hears('line 40');
  // Whoever was here before has left: the line that says so moves what stands above it.
  await person.sees(person.name);
  await person.hasItsParts();
  return person;
}

const row = ({ page }, text) => page.locator('#thread .said', { has: page.locator('.text', { hasText: text }) });
const menu = ({ page }) => page.getByRole('menu');
const item = ({ page }, name) => page.getByRole('menuitem', { name, exact: true });
const box = (locator) => locator.evaluate((element) => {
  const { left, right, top, bottom, width, height } = element.getBoundingClientRect();
  return { left, right, top, bottom, width, height };
});
const style = (locator, name, pseudo) => locator.evaluate((element, [wanted, part]) => getComputedStyle(element, part)[wanted], [name, pseudo]);
const isOnRow = ({ page }, text) => page.waitForFunction((wanted) => document.activeElement.matches('.said') && document.activeElement.querySelector('.text').textContent === wanted, text);

describe('a message that is not in the log', () => {
  /** What is said now leaves the page and never arrives: nobody knows whether it was sent. */
  const swallow = ({ page }) => page.evaluate(() => {
    WebSocket.prototype.send = () => {};
  });
  const waiting = ({ page }) => page.locator('.said.waiting .text').allTextContents();
  const asked = async (person) => {
    await menu(person).waitFor();
    assert.equal(await person.page.locator('.menu-of .hint').textContent(), 'It may have been sent already.');
  };

  test('and may have been sent is changed or deleted after a question, and nothing jumps', async () => {
    const alice = await somebody();
    await swallow(alice);
    await alice.say('who knows');
    const edit = row(alice, 'who knows').getByRole('button', { name: 'Edit' });
    await edit.waitFor();
    const place = await box(edit);
    await edit.click();
    await asked(alice);
    assert.deepEqual(await box(edit), place);
    await alice.picture('may-have-been-sent');
    await alice.fits('the question');
    await alice.press('Escape');
    await menu(alice).waitFor({ state: 'detached' });
    assert.deepEqual(await waiting(alice), ['who knows']);
    await edit.click();
    await item(alice, 'Edit anyway').click();
    await alice.isOn('text');
    assert.equal(await alice.composer.inputValue(), 'who knows');
    assert.deepEqual(await waiting(alice), []);
    await alice.press('Enter');
    await row(alice, 'who knows').getByRole('button', { name: 'Delete' }).click();
    await asked(alice);
    assert.equal(await alice.page.evaluate(() => document.activeElement.textContent), 'Delete anyway');
    await alice.press('Enter');
    await eventually(async () => assert.deepEqual(await waiting(alice), []));
    await alice.isOn('text');
  });

  test('the same with ↑ in the empty field', async () => {
    const alice = await somebody();
    await swallow(alice);
    await alice.say('who knows');
    await row(alice, 'who knows').getByRole('button', { name: 'Edit' }).waitFor();
    await alice.press('ArrowUp');
    await asked(alice);
    await alice.press('Escape');
    await alice.isOn('text');
    assert.equal(await alice.composer.inputValue(), '');
    await alice.press('ArrowUp');
    await asked(alice);
    await alice.press('Enter');
    assert.equal(await alice.composer.inputValue(), 'who knows');
    await alice.write('');
  });

  test('can be changed and deleted, also when it is not the last that waits', async () => {
    const alice = await somebody();
    alice.expected.push(...NETWORK);
    await alice.context.setOffline(true);
    await alice.cutOff();
    for (const text of ['one', 'two', 'three', 'four']) await alice.say(text);
    await row(alice, 'four').getByRole('button', { name: 'Edit' }).waitFor();
    await row(alice, 'one').hover();
    await row(alice, 'one').getByRole('button', { name: 'More' }).click();
    assert.deepEqual(await alice.page.getByRole('menuitem').allTextContents(), ['Edit', 'Delete', 'Copy text']);
    await alice.picture('waiting-menu');
    await item(alice, 'Edit').click();
    await alice.isOn('text');
    assert.equal(await alice.composer.inputValue(), 'one');
    await alice.write('');
    await row(alice, 'three').focus();
    await alice.press('Enter', 'ArrowDown', 'Enter');
    await eventually(async () => assert.deepEqual(await waiting(alice), ['two', 'four']));
    await alice.context.setOffline(false);
    await alice.comesBack();
    await alice.hears('four');
  });
});

describe('the keys', () => {
  test('Shift+Tab from the field leads to the message, Tab from there to its links, an arrow to the one above', async () => {
    const alice = await somebody();
    await alice.say('see http://one.example/');
    await alice.hears('see http://one.example/');
    await alice.composer.focus();
    await alice.press('Shift+Tab');
    await isOnRow(alice, 'see http://one.example/');
    await alice.press('Tab', 'Tab');
    assert.equal(await alice.page.evaluate(() => document.activeElement.textContent), 'http://one.example/');
    await alice.press('Tab');
    await alice.isOn('text');
    const above = await alice.page.locator('.said .text').nth(-2).textContent();
    await alice.press('Shift+Tab', 'ArrowUp');
    await isOnRow(alice, above);
  });

  test('on the button to the newest they do what they do on a message', async () => {
    const alice = await somebody();
    await alice.page.evaluate(() => (document.getElementById('scroll').scrollTop = 0));
    const newer = alice.page.locator('#newer');
    await newer.waitFor();
    const [first, last] = [await alice.page.locator('.said .text').first().textContent(), await alice.page.locator('.said .text').last().textContent()];
    await alice.composer.focus();
    await alice.press('Shift+Tab');
    await alice.isOn('newer');
    await alice.press('Home');
    await isOnRow(alice, first);
    for (const [key, arrives] of [['End', last], ['PageUp', null], ['ArrowUp', null]]) {
      await alice.page.evaluate(() => (document.getElementById('scroll').scrollTop = 300));
      await newer.waitFor();
      await newer.focus();
      await alice.press(key);
      if (arrives) await isOnRow(alice, arrives);
      else await alice.page.waitForFunction(() => document.activeElement.matches('.said'));
    }
    await alice.page.evaluate(() => (document.getElementById('scroll').scrollTop = 300));
    await newer.waitFor();
    await newer.focus();
    await alice.page.keyboard.type('hi');
    await alice.isOn('text');
    assert.equal(await alice.composer.inputValue(), 'hi');
  });

  test('Escape in the field leads to the newest, and a draft stays', async () => {
    const alice = await somebody();
    await alice.write('half a sentence');
    await alice.page.evaluate(() => (document.getElementById('scroll').scrollTop = 0));
    await alice.page.locator('#newer').waitFor();
    await alice.composer.press('Escape');
    await alice.isAtTheNewest();
    assert.equal(await alice.composer.inputValue(), 'half a sentence');
  });

  test('what Enter makes is marked as what it finds', async () => {
    const alice = await somebody();
    await alice.press('Control+k');
    await alice.page.locator('#jump-query').fill('nowhere-yet');
    const create = alice.page.getByRole('button', { name: 'Create “nowhere-yet”' });
    await create.waitFor();
    await eventually(async () => assert.notEqual(await style(create, 'boxShadow'), 'none'));
    await alice.picture('create-chosen');
    await alice.page.locator('#jump-query').fill('idea');
    await alice.page.getByRole('option', { name: 'ideas' }).waitFor();
    assert.equal(await style(alice.page.getByRole('button', { name: 'Create “idea”' }), 'boxShadow'), 'none');
  });
});

describe('the menu of a message', () => {
  test('is closed by going to another room', async () => {
    const alice = await somebody();
    await alice.page.evaluate(() => (location.hash = '#ideas'));
    await alice.page.getByRole('heading', { level: 1, name: 'ideas' }).waitFor();
    await alice.page.goBack();
    await alice.hears('line 40');
    await row(alice, 'line 40').focus();
    await alice.press('Enter');
    await menu(alice).waitFor();
    await alice.page.goForward();
    await alice.page.getByRole('heading', { level: 1, name: 'ideas' }).waitFor();
    await menu(alice).waitFor({ state: 'detached' });
    await alice.isOn('text');
  });

  test('what was copied of one message is not said of the next', async () => {
    const alice = await somebody();
    await row(alice, 'line 39').hover();
    await row(alice, 'line 39').getByRole('button', { name: 'More' }).click();
    await item(alice, 'Copy text').click();
    await row(alice, 'line 39').getByText(/^Copied$|^Could not/).waitFor();
    await row(alice, 'line 38').focus();
    await row(alice, 'line 37').hover();
    assert.deepEqual(await alice.page.locator('.more').allTextContents(), ['', '']);
  });

  test('what was copied is said of a message that has the focus, wherever the mouse goes', async () => {
    const alice = await somebody();
    // A browser may ask whether it may.
    await alice.page.evaluate(() => {
      const own = navigator.clipboard.writeText.bind(navigator.clipboard);
      navigator.clipboard.writeText = (text) => new Promise((resolve) => (globalThis.allow = resolve)).then(() => own(text));
    });
    const buttons = () => alice.page.locator('.said .more').evaluateAll((all) => all.map((button) => [button.closest('.said').querySelector('.text').textContent, button.textContent, button.ariaExpanded]).sort());
    await row(alice, 'line 39').hover();
    await row(alice, 'line 39').getByRole('button', { name: 'More' }).click();
    await item(alice, 'Copy text').hover();
    assert.deepEqual(await buttons(), [['line 39', '', 'true']], 'the button stays under its menu');
    await alice.press('Enter');
    await row(alice, 'line 39').hover();
    await alice.page.evaluate(() => allow());
    const said = row(alice, 'line 39').getByText(/^Copied$|^Could not/);
    await said.waitFor();
    const words = await said.textContent();
    await row(alice, 'line 37').hover();
    assert.deepEqual(await buttons(), [['line 37', '', null], ['line 39', words, null]]);
    await said.waitFor({ state: 'detached' });
    assert.deepEqual(await buttons(), [['line 37', '', null], ['line 39', '', null]]);
  });

  test('a quote and what is said of it are two things to a screen reader', async () => {
    const alice = await somebody();
    await alice.composer.fill('> a quote\nand a reply');
    await alice.composer.press('Enter');
    await row(alice, 'and a reply').and(alice.page.locator('[data-seq]')).focus();
    const label = await alice.page.evaluate(() => document.activeElement.ariaLabel);
    assert.match(label, /: a quote\s+and a reply$/);
  });
});

describe('on a phone', () => {
  test('the key that makes a line says so', async () => {
    const alice = await somebody(PHONE);
    assert.equal(await alice.composer.getAttribute('enterkeyhint'), 'enter');
  });

  test('a touch on a message moves nothing; a long one opens its menu, and selects nothing', async () => {
    const alice = await somebody(PHONE);
    await settled(alice.page);
    const tops = () => alice.page.locator('.said').evaluateAll((rows) => rows.slice(-5).map((element) => element.getBoundingClientRect().top));
    const before = await tops();
    await row(alice, 'line 39').locator('.text').tap();
    await row(alice, 'line 39').getByRole('button', { name: 'More' }).waitFor();
    assert.deepEqual(await tops(), before);
    await alice.picture('touched-row');
    const touch = await alice.context.newCDPSession(alice.page);
    const rest = async (locator) => {
      const { left, top, width, height } = await box(locator);
      await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x: left + Math.min(width, 40) / 2, y: top + height / 2 }] });
    };
    const lift = () => touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await rest(row(alice, 'line 40').locator('.text'));
    await menu(alice).waitFor();
    await lift();
    await settled(alice.page);
    assert.ok(await menu(alice).isVisible(), 'it stays when the finger goes');
    assert.equal(await alice.page.evaluate(() => String(getSelection())), '');
    await alice.picture('long-press');
    await alice.page.keyboard.press('Escape');
    await menu(alice).waitFor({ state: 'detached' });
  });

  test('what is new elsewhere does not cover the name of the room', async () => {
    const alice = await somebody(PHONE);
    await alice.page.goto(`${scene.server.url}/#general`);
    await alice.page.getByRole('heading', { level: 1, name: 'general' }).waitFor();
    await alice.connected();
    await alice.page.goto(`${scene.server.url}/#lobby`);
    await alice.page.getByRole('heading', { level: 1, name: 'lobby' }).waitFor();
    await alice.connected();
    const news = alice.page.locator('#menu-news');
    const say = (message) => bob.call('/rooms/general/messages', { message });
    const covers = async () => (await box(news)).right > (await box(alice.page.locator('#room-name'))).left;
    for (let n = 1; n <= 9; n += 1) await say(`@${alice.name} ${n}`);
    await news.getByText('@9', { exact: true }).waitFor();
    assert.equal(await covers(), false);
    await alice.picture('badge-9');
    for (let n = 10; n <= 12; n += 1) await say(`${n}`);
    await news.getByText('@', { exact: true }).waitFor();
    assert.equal(await covers(), false);
    await alice.page.getByRole('button', { name: 'Rooms and account 12 unread, 9 name you', exact: true }).waitFor();
  });

  test('one line says that it is offline', async () => {
    const alice = await somebody({ ...PHONE, size: [360, 740] });
    alice.expected.push(...NETWORK);
    await alice.context.setOffline(true);
    await alice.page.locator('#status-text', { hasText: 'Offline' }).waitFor();
    const { height, line } = await alice.page.locator('#status-text').evaluate((element) => ({ height: element.getBoundingClientRect().height, line: parseFloat(getComputedStyle(element).lineHeight) }));
    await alice.picture('offline-phone');
    assert.ok(height < 1.5 * line, `${height} px`);
    await alice.context.setOffline(false);
    await alice.comesBack();
  });

  test('a drawer that a finger opened has no ring, whatever key comes then', async () => {
    const alice = await somebody(PHONE);
    await alice.composer.focus();
    await alice.press('Enter');
    await alice.page.locator('#open-menu').tap();
    await alice.isOn('menu');
    await alice.press('Enter');
    assert.equal(await style(alice.page.locator('#menu'), 'outlineStyle'), 'none');
    await alice.picture('drawer-touched');
    assert.ok((await box(alice.page.locator('#menu-theme legend'))).width > 10, 'the theme has a label');
    await alice.press('Tab');
    assert.equal(await style(alice.page.locator(':focus'), 'outlineStyle'), 'solid');
    await alice.press('Escape');
  });

  test('on its side the number of people stands free in the header', async () => {
    const alice = await somebody({ ...PHONE, size: [844, 390] });
    await alice.picture('landscape');
    assert.equal(await style(alice.page.locator('#open-people'), 'borderTopColor'), 'rgba(0, 0, 0, 0)');
  });

  test('what is wrong with a password stands in the place of the hint, and its button in one line', async () => {
    const alice = await somebody(PHONE);
    await alice.openMenu();
    await alice.page.locator('#open-password').tap();
    const dialog = alice.page.getByRole('dialog', { name: 'Change password' });
    await dialog.getByText('characters. Your other').waitFor();
    await dialog.getByLabel('Current password').fill('a good password');
    await dialog.getByLabel('New password').fill('x');
    const change = dialog.getByRole('button', { name: 'Change password' });
    assert.equal(await change.innerText(), 'Change');
    await change.tap();
    await dialog.locator('#next-error').waitFor();
    assert.equal(await dialog.locator('#next-hint').isVisible(), false);
    await alice.picture('password-error');
    await dialog.getByLabel('New password').fill('another good password');
    await change.tap();
    // A line without a button is as high as one with it, and its knot in its middle.
    await alice.reads('Your password is changed.');
    const line = await box(alice.page.locator('#updated'));
    assert.ok(line.height >= 44, `${line.height} px`);
    await alice.page.locator('#menu').waitFor({ state: 'hidden' });
    await alice.picture('told');
  });

  test('a room that is not there says so once, and nothing is indented', async () => {
    const alice = await somebody(PHONE);
    alice.expected.push(/status of 404/);
    await alice.page.evaluate(() => (location.hash = '#no-such-room'));
    await alice.reads('There is no room of this name.');
    await alice.page.locator('#status-text', { hasText: 'Connected' }).waitFor();
    await alice.page.locator('#spoken', { hasText: 'There is no room of this name.' }).waitFor({ state: 'attached' });
    await alice.picture('no-room');
    assert.equal(await style(alice.page.getByRole('button', { name: 'Create it' }), 'paddingLeft'), '0px');
  });
});

describe('what is seen', () => {
  test('messages in a row that call the reader are one ground, round at its ends', async () => {
    const alice = await somebody();
    for (let n = 1; n <= 3; n += 1) await bob.say(`@${alice.name} ${n}`);
    await alice.hears(`@${alice.name} 3`);
    const corners = await alice.page.locator('.mentioned').evaluateAll((rows) => rows.slice(-3).map((element) => {
      const { borderTopLeftRadius, borderBottomLeftRadius } = getComputedStyle(element, '::after');
      return [borderTopLeftRadius, borderBottomLeftRadius];
    }));
    await alice.picture('mentions');
    assert.deepEqual(corners, [['6px', '0px'], ['0px', '0px'], ['0px', '6px']]);
  });

  test('the button for new messages shows that one of them names the reader', async () => {
    const alice = await somebody();
    await alice.page.evaluate(() => (document.getElementById('scroll').scrollTop = 0));
    await alice.page.locator('#newer').waitFor();
    await bob.say('to all');
    await alice.page.locator('#newer-count', { hasText: /^1$/ }).waitFor();
    await bob.say(`to @${alice.name}`);
    await alice.page.locator('#newer-count', { hasText: /^@2$/ }).waitFor();
    await alice.picture('newer-calls');
  });

  test('what finds rooms stands right below them, be they one or two', async () => {
    const alice = await somebody();
    const gap = async () => (await box(alice.page.locator('#open-jump'))).top - (await box(alice.page.locator('#rooms li').last())).bottom;
    const one = await gap();
    await alice.page.evaluate(() => (location.hash = '#ideas'));
    await alice.page.locator('#rooms a[href="#ideas"]').waitFor();
    assert.equal(await gap(), one);
    await alice.picture('rooms-two');
  });

  test('the ring around a time stays off the next line', async () => {
    const alice = await somebody();
    await row(alice, 'line 39').focus();
    await alice.press('Tab');
    const time = alice.page.locator(':focus');
    assert.equal(await time.evaluate((element) => element.matches('a.time')), true);
    assert.equal(await style(time, 'outlineOffset'), '-2px');
    await alice.picture('time-ring');
  });
});
