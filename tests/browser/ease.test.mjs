// The page as its reader has set it up: forced colours, larger letters, a window as narrow as a finger's
// zoom makes it, or as low as a keyboard leaves it. And small things that are in the way or are not.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { eventually, launch, Person, Program, Server } from './house.mjs';

const LONG_NAME = 'Ferdinand_the_one_with_the_very_long_name_of_fifty';

let browser, server, bob;
const people = [];

before(async () => {
  browser = await launch();
  server = await Server.start({ MESSAGE_LIMIT: '10000', SIGN_IN_PER_MINUTE: '6000' });
  bob = await Program.signIn(server, 'bob');
  await bob.enter();
  const ferdinand = await Program.signIn(server, LONG_NAME);
  await ferdinand.say('My name is a little long.');
  await ferdinand.say('hello @alice');
  await bob.say('hello @alice and @bob, too');
  for (let number = 1; number <= 60; number += 1) await bob.say(`line ${number}`);
  await (await Program.signIn(server, 'alice')).call('/rooms', { room: 'another' });
});
after(async () => {
  bob?.leave();
  await browser?.close();
  await server?.stop();
});
afterEach(async () => {
  for (const person of people.splice(0)) {
    person.hadNothingToComplainOf();
    await person.context.close();
  }
});

async function alice(options = {}, hash = '') {
  const person = await Person.at(browser, server.url + hash, options);
  people.push(person);
  await person.signIn('alice');
  await person.hears('line 60');
  return person;
}

const composer = ({ page }) => page.locator('#text');
const row = ({ page }, text) => page.locator('#thread .said', { hasText: text });
const scroll = ({ page }) => page.evaluate(() => {
  const { scrollTop, scrollHeight, clientHeight } = document.getElementById('scroll');
  return { top: scrollTop, bottom: scrollTop + clientHeight, height: scrollHeight };
});

/** How something looks by what the reader's own colours leave of it. */
const look = (locator) => locator.evaluate((element) => {
  const { backgroundColor, color, outlineStyle, borderTopStyle } = getComputedStyle(element);
  return { backgroundColor, color, outlineStyle, borderTopStyle };
});

test('with the reader’s own colours, what is chosen looks other than what is not', async () => {
  const person = await alice({ forcedColors: 'active' });
  const { page } = person;
  assert.ok(await page.evaluate(() => matchMedia('(forced-colors: active)').matches));
  const system = await page.evaluate(() => {
    const probe = document.createElement('p');
    document.body.append(probe);
    const colour = (name) => {
      probe.style.color = name;
      return getComputedStyle(probe).color;
    };
    const colours = { chosen: colour('Highlight'), onChosen: colour('HighlightText') };
    probe.remove();
    return colours;
  });
  assert.notEqual(system.chosen, system.onChosen);
  const differ = async (chosen, other) => {
    const [one, two] = [await look(page.locator(chosen).first()), await look(page.locator(other).first())];
    assert.deepEqual([one.backgroundColor, one.color], [system.chosen, system.onChosen], chosen);
    assert.notEqual(one.backgroundColor, two.backgroundColor, `${chosen}: ${JSON.stringify(one)}`);
  };
  await person.press('Control+k');
  await page.getByRole('option', { name: 'another' }).waitFor();
  await differ('#jump [aria-selected="true"]', '#jump [aria-selected="false"]');
  // The words of the chosen one are written in the colour for what is chosen, all of them.
  const words = await page.locator('#jump [aria-selected="true"]').evaluate((element) => [element, ...element.children].map((part) => getComputedStyle(part).color));
  assert.equal(new Set(words).size, 1, words.join());
  await person.picture('forced-jump');
  await page.getByRole('option', { name: 'another' }).click();
  await page.getByRole('heading', { level: 1, name: 'another' }).waitFor();
  await differ('#rooms [aria-current="page"]', '#rooms [aria-current="false"]');
  await page.locator('#rooms [aria-current="page"]').hover();
  await differ('#rooms [aria-current="page"]', '#rooms [aria-current="false"]');
  await differ('#menu-theme input:checked + span', '#menu-theme input:not(:checked) + span');
  await page.locator('#rooms a[href="#lobby"]').click();
  await person.sees('alice', 'bob');
  const [carol, bobby] = await Promise.all([Program.signIn(server, 'carol'), Program.signIn(server, 'bobby')]);
  await carol.enter();
  await bobby.enter();
  await person.sees('alice', 'bob', 'bobby', 'carol');
  await composer(person).pressSequentially('@');
  await page.locator('#mention-list [role="option"]').nth(1).waitFor();
  await differ('#mention-list [aria-selected="true"]', '#mention-list [aria-selected="false"]');
  await person.picture('forced-picker');
  carol.leave();
  bobby.leave();
  await composer(person).fill('');
  await person.hasItsParts();
  await row(person, 'line 60').focus();
  await person.press('Enter');
  await differ('[role="menuitem"]:focus', '[role="menuitem"]:not(:focus)');
  await person.press('Escape');
  // The thread is there, and a row that calls the reader has an edge.
  const line = await row(person, 'line 60').evaluate((element) => [getComputedStyle(element, '::before').backgroundColor, getComputedStyle(document.body).backgroundColor]);
  assert.notEqual(line[0], line[1]);
  assert.equal(await row(person, 'hello @alice').first().evaluate((element) => getComputedStyle(element, '::after').borderTopStyle), 'solid');
});

test('a row’s ring is whole: nothing cuts it, and nothing lies over it', async () => {
  for (const size of [[1440, 900], [360, 740]]) {
    const person = await alice({ size });
    await person.hasItsParts();
    await composer(person).focus();
    await person.press('Shift+Tab', 'ArrowUp');
    await eventually(async () => assert.equal(await person.page.evaluate(() => document.activeElement.querySelector('.text')?.textContent), 'line 59'));
    for (const text of ['line 59', 'line 60']) {
      const { ring, frame, over, width } = await row(person, text).evaluate((element) => {
        const { left, right, top, bottom } = element.getBoundingClientRect();
        const frame = document.getElementById('scroll').getBoundingClientRect();
        const { outlineOffset, outlineWidth } = getComputedStyle(element);
        const out = parseFloat(outlineOffset) + 2;
        const thread = getComputedStyle(element, '::before');
        // What is drawn after the ring: whatever has a place of its own in the row.
        const over = [...element.querySelectorAll('*')].filter((part) => getComputedStyle(part.matches('time') ? part.parentElement : part).position !== 'static').filter((part) => {
          const box = part.getBoundingClientRect();
          return !part.matches('.time, .unseen') && (box.left < left + 2 || box.right > right - 2 || box.top < top + 2 || box.bottom > bottom - 2);
        });
        return {
          ring: { left: left - out, right: right + out, line: [thread.top, thread.bottom] },
          frame: { left: frame.left, right: frame.right },
          over: over.map(({ localName, className }) => `${localName}.${className}`),
          width: outlineWidth,
        };
      });
      assert.equal(width, '2px');
      assert.ok(ring.left >= frame.left && ring.right <= frame.right, `${size}: ${JSON.stringify([ring, frame])}`);
      assert.deepEqual(over, []);
      // The thread leaves it out.
      assert.deepEqual(ring.line, ['2px', '2px']);
      await person.picture(`ring-${size[0]}-${text.replace(' ', '-')}`);
      await person.press('ArrowDown');
    }
  }
});

test('the rings of what reaches to the window’s edges are inside of it', async () => {
  const person = await alice({ size: [360, 740] });
  const inside = async (id) => {
    await person.isOn(id);
    const { style, offset } = await person.page.evaluate(() => {
      const { outlineStyle: style, outlineOffset, outlineWidth } = getComputedStyle(document.activeElement);
      return { style, offset: parseFloat(outlineOffset) + parseFloat(outlineWidth) };
    });
    assert.equal(style, 'solid', id);
    assert.ok(offset <= 0, `${id}: ${offset} px outside`);
    await person.picture(`ring-${id}`);
  };
  await person.page.locator('#scroll').focus();
  await person.press('Home');
  await inside('scroll');
  for (const [button, drawer] of [['open-menu', 'menu'], ['open-people', 'people']]) {
    await person.page.locator(`#${button}`).focus();
    await person.press('Enter');
    await inside(drawer);
    await person.press('Escape');
    await person.isOn(button);
    await person.isInTheRoom();
  }
});

test('who calls the reader tints the row; what a link leads to has an edge', async () => {
  const person = await alice();
  await person.page.goto(`${server.url}/#lobby/3`);
  const pointed = person.page.locator('.said.pointed');
  await pointed.waitFor();
  const seen = await pointed.evaluate((element) => {
    const { outlineStyle, outlineColor } = getComputedStyle(element);
    const plain = [...document.querySelectorAll('.said.mentioned')].find((other) => other !== element);
    return { outlineStyle, outlineColor, tint: getComputedStyle(element, '::after').backgroundColor, other: getComputedStyle(plain, '::after').backgroundColor, plain: getComputedStyle(plain).outlineStyle };
  });
  assert.equal(seen.outlineStyle, 'solid');
  assert.equal(seen.plain, 'none');
  assert.equal(seen.tint, seen.other);
  await person.picture('mention-and-link');
  await person.page.setViewportSize({ width: 360, height: 740 });
  await person.picture('mention-and-link-phone');
});

test('a long name takes one line, and says its rest', async () => {
  const person = await alice({ size: [360, 740] });
  await person.page.evaluate(() => (document.getElementById('scroll').scrollTop = 0));
  const name = person.page.locator('.who .name', { hasText: LONG_NAME });
  const { lines, title } = await name.evaluate((element) => ({ lines: element.getBoundingClientRect().height / parseFloat(getComputedStyle(element).lineHeight), title: element.title }));
  assert.ok(lines < 1.5, `${lines} lines`);
  assert.equal(title, LONG_NAME);
});

test('the way to the newest is small, at the edge, and says what it is', async () => {
  for (const [width, height] of [[360, 740], [1440, 900], [1900, 900]]) {
    const person = await alice({ size: [width, height] });
    await person.page.evaluate(() => (document.getElementById('scroll').scrollTop = 300));
    const button = person.page.getByRole('button', { name: 'To the newest' });
    await button.waitFor();
    const { box, column } = await button.evaluate((element) => {
      const { left, right, width: wide, height: high } = element.getBoundingClientRect();
      return { box: { left, right, wide, high }, column: document.getElementById('thread').getBoundingClientRect().right };
    });
    assert.ok(box.wide >= 44 && box.wide < 60 && box.high >= 44 && box.high < 50, JSON.stringify(box));
    assert.ok(Math.abs(box.right - column) < 2 || box.left >= column, `${JSON.stringify(box)} at ${column}`);
    await bob.say('new for the button');
    await person.page.getByRole('button', { name: '1 new message' }).waitFor();
    assert.equal(await button.or(person.page.locator('#newer')).first().innerText().then((text) => text.trim().startsWith('1')), true);
    await person.picture(`newer-${width}`);
    await person.page.locator('#newer').click();
    await person.page.locator('#newer').waitFor({ state: 'hidden' });
  }
});

test('a keyboard that comes up keeps the last line one reads in sight', async () => {
  const person = await alice({ size: [390, 740] });
  await person.page.evaluate(() => (document.getElementById('scroll').scrollTop = 500));
  await person.page.locator('#newer').waitFor();
  const before = await scroll(person);
  await person.page.setViewportSize({ width: 390, height: 400 });
  await person.page.waitForFunction((bottom) => {
    const { scrollTop, clientHeight } = document.getElementById('scroll');
    return clientHeight < 350 && Math.abs(scrollTop + clientHeight - bottom) < 2;
  }, before.bottom);
  // And down again.
  await person.page.setViewportSize({ width: 390, height: 740 });
  await person.page.waitForFunction((top) => Math.abs(document.getElementById('scroll').scrollTop - top) < 2, before.top);
});

test('a low window is for the messages', async () => {
  for (const size of [[740, 360], [390, 400]]) {
    const person = await alice({ size, hasTouch: true, isMobile: true });
    const lines = await person.page.evaluate(() => {
      const frame = document.getElementById('scroll').getBoundingClientRect();
      return [...document.querySelectorAll('.said .text')].map((element) => element.getBoundingClientRect()).filter(({ top, bottom }) => top >= frame.top && bottom <= frame.bottom).length;
    });
    assert.ok(lines >= 8, `${lines} lines in ${size}`);
    await person.reads('Connected');
    await person.picture(`low-${size[0]}`);
    await person.openMenu();
    // There it is folded away behind one's name.
    await person.page.locator('#me').click();
    await person.page.getByRole('button', { name: 'Change password' }).click();
    const dialog = person.page.getByRole('dialog', { name: 'Change password' });
    await dialog.waitFor();
    const [cancel, change] = await Promise.all(['Cancel', 'Change password'].map((name) => dialog.getByRole('button', { name }).boundingBox()));
    assert.equal(Math.round(cancel.width), Math.round(change.width));
    assert.ok(change.y + change.height <= size[1] && change.y > 0, JSON.stringify(change));
    await person.picture(`low-${size[0]}-password`);
  }
});

test('letters follow the size that the reader has set, and the page stays usable at twice of it', async () => {
  for (const size of [[360, 740], [1440, 900]]) {
    const person = await alice({ size });
    const sizes = () => person.page.evaluate(() => ['.said .text', '.said .time', '#status-text', '#text', '#room-name', '#people-list .name'].map((selector) => parseFloat(getComputedStyle(document.querySelector(selector)).fontSize)));
    const before = await sizes();
    await person.page.evaluate(() => (document.documentElement.style.fontSize = '200%'));
    const after = await sizes();
    for (const [index, value] of after.entries()) assert.ok(value >= before[index] * 1.25 || value === 14, `${before[index]} → ${value}`);
    assert.equal(after[0], before[0] * 2);
    await person.fits(`200 % at ${size[0]} px`);
    await person.picture(`letters-${size[0]}`);
    await person.openMenu();
    await person.fits(`200 %, the menu at ${size[0]} px`);
    await person.picture(`letters-${size[0]}-menu`);
  }
});

test('half of a phone’s width is enough', async () => {
  const person = await Person.at(browser, server.url, { size: [180, 370], hasTouch: true, isMobile: true });
  people.push(person);
  await person.fits('entrance');
  await person.signIn('alice');
  await person.hears('line 60');
  await person.fits('room');
  const name = await person.page.locator('#room-name').evaluate((element) => [element.scrollWidth, element.clientWidth]);
  assert.ok(name[1] > 40 && name[0] <= name[1], `the room’s name: ${name}`);
  assert.equal(await person.page.getByRole('button', { name: /here$/ }).count(), 1);
  await person.picture('half');
  await person.openMenu();
  await person.fits('menu');
  // No word is broken that could stand in a line.
  const broken = await person.page.locator('#menu .theme label span').evaluateAll((labels) => labels.filter((label) => {
    const range = document.createRange();
    range.selectNodeContents(label);
    return range.getClientRects().length > 1;
  }).map(({ textContent }) => textContent));
  assert.deepEqual(broken, []);
  await person.picture('half-menu');
});

test('a password can be shown, and is hidden again by what ends the form; a wrong one is selected', async () => {
  const person = await Person.at(browser, server.url);
  people.push(person);
  person.expected.push(/status of 401/);
  await person.page.waitForFunction(() => document.title === 'Sign in – Chorus');
  await person.click('Create an account');
  await person.page.waitForFunction(() => document.title === 'Create account – Chorus');
  await person.click('Sign in');
  await person.page.waitForFunction(() => document.title === 'Sign in – Chorus');
  const field = person.page.locator('#password');
  const button = person.page.getByRole('button', { name: 'Show password' });
  await person.fill('alice', 'not my password');
  await button.click();
  assert.deepEqual([await field.getAttribute('type'), await button.getAttribute('aria-pressed')], ['text', 'true']);
  await person.picture('shown');
  await person.click('Sign in');
  await person.reads('Wrong name or password.');
  assert.deepEqual([await field.getAttribute('type'), await button.getAttribute('aria-pressed')], ['password', 'false']);
  await person.isOn('password');
  await person.page.keyboard.type('a good password');
  await person.press('Enter');
  await person.connected();
  await person.click('Change password');
  await person.page.locator('#password-dialog[open]').waitFor();
  const shows = person.page.getByRole('dialog').getByRole('button', { name: 'Show password' });
  assert.equal(await shows.count(), 2);
  await shows.first().click();
  assert.equal(await person.page.locator('#current-password').getAttribute('type'), 'text');
  await person.press('Escape');
  await person.click('Change password');
  await person.page.locator('#password-dialog[open]').waitFor();
  assert.equal(await person.page.locator('#current-password').getAttribute('type'), 'password', 'nothing is remembered');
});

test('the composer’s button stays off its edge, and long texts have the width to themselves', async () => {
  const person = await alice({ size: [360, 740], hasTouch: true, isMobile: true });
  await person.write('word '.repeat(60));
  const { clip, padding, column } = await person.page.evaluate(() => {
    const send = getComputedStyle(document.getElementById('send'));
    const text = document.getElementById('text');
    return { clip: send.backgroundClip, padding: parseFloat(send.paddingTop), column: document.getElementById('composer').clientWidth - text.clientWidth + parseFloat(getComputedStyle(text).paddingRight) };
  });
  assert.equal(clip, 'content-box');
  assert.ok(padding >= 3);
  assert.ok(column <= 48, `${column} px beside the words`);
  await person.picture('composer-phone');
});

test('rooms are found and made below the list, and a finger can close what finds them', async () => {
  const person = await alice({ size: [360, 740], hasTouch: true, isMobile: true });
  await person.page.getByRole('button', { name: 'Rooms and account' }).tap();
  await person.page.getByRole('button', { name: 'Find or create a room' }).tap();
  await person.page.locator('#jump[open]').waitFor();
  await person.page.getByRole('option', { name: 'another' }).waitFor();
  await person.fits('the finder');
  await person.picture('finder-phone');
  await person.page.locator('#jump').getByRole('button', { name: 'Close' }).tap();
  await person.page.locator('#jump').waitFor({ state: 'hidden' });
  await person.isInTheRoom();
  // Where a finger leads back to needs no ring.
  await person.page.getByRole('button', { name: 'Rooms and account' }).tap();
  await person.page.locator('#rooms a[href="#lobby"]').tap();
  await person.page.locator('#menu').waitFor({ state: 'hidden' });
  await person.isOn('open-menu');
  assert.equal(await person.page.locator('#open-menu').evaluate((element) => getComputedStyle(element).outlineStyle), 'none');
  await person.press('Tab', 'Shift+Tab');
  assert.equal(await person.page.locator('#open-menu').evaluate((element) => getComputedStyle(element).outlineStyle), 'solid');
});
