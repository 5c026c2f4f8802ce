// The whole way without a mouse: from the entrance to signing out, and at every step one can see where
// the focus is.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Crowd, eventually, NETWORK, Person, Program, Server, Wire } from './house.mjs';
import { axe } from './look.mjs';
import { browser } from './scene.mjs';

/** Where the focus is and how one sees it: an outline, its own or that of what stands for it. Runs in the page. */
function focus() {
  const element = document.activeElement;
  const shown = element.matches('.unseen') ? element.nextElementSibling : element.closest('.composer') && element.matches('textarea') ? element.closest('.composer') : element;
  const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(shown);
  const box = shown.getBoundingClientRect();
  const inside = box.width > 0 && box.height > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
  return {
    on: element === document.body ? 'nothing' : element.id || element.value || element.textContent.trim() || element.getAttribute('aria-label'),
    visible: inside && outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 && outlineColor !== 'rgba(0, 0, 0, 0)',
  };
}

class Typist extends Person {
  /** Presses a key; the focus must be somewhere and seen afterwards. */
  async press(...keys) {
    for (const key of keys) {
      await this.page.keyboard.press(key);
      await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      // Behind the last one the browser's own buttons have their turn; the next press comes back in.
      if (key.endsWith('Tab') && (await this.page.evaluate(focus)).on === 'nothing') await this.page.keyboard.press(key);
      await eventually(async () => {
        const { on, visible } = await this.page.evaluate(focus);
        assert.notEqual(on, 'nothing', `the focus is lost after ${key}`);
        assert.ok(visible, `the focus on “${on}” cannot be seen after ${key}`);
      });
    }
  }

  type(text) {
    return this.page.keyboard.type(text);
  }

  /** Presses Tab until the focus is there. */
  async tabTo(name, key = 'Tab') {
    const passed = [];
    for (let presses = 0; presses < 25; presses += 1) {
      await this.press(key);
      const { on } = await this.page.evaluate(focus);
      if (on === name) return passed;
      passed.push(on);
    }
    return assert.fail(`${name} is not reached with ${key}: ${passed.join(', ')}`);
  }
}

for (const [device, size] of Object.entries({ desktop: [1440, 900], 'narrow window': [360, 740] })) {
  describe(`with a keyboard only, on a ${device}`, () => {
    const narrow = size[0] < 760;
    let server, alice, bob;
    const scrolled = () => alice.page.evaluate(() => document.getElementById('scroll').scrollTop);

    before(async () => {
      server = await Server.start({ MESSAGE_LIMIT: '10000' });
      bob = await Program.signIn(server, 'bob');
      alice = await Typist.at(browser, server.url, { size });
      alice.expected.push(/status of 401/);
    });
    after(async () => {
      await alice?.context.close();
      await server?.stop();
    });

    test('a new account is made', async () => {
      await alice.isOn('username');
      await alice.tabTo('entrance-mode');
      await alice.press('Enter');
      await alice.isOn('username');
      await alice.type('al');
      await alice.press('Tab');
      await alice.type('a good password');
      await alice.press('Enter');
      await alice.reads('3 to 50 characters.');
      await alice.isOn('username');
      await alice.press('End');
      await alice.type('ice');
      await alice.press('Enter');
      await alice.connected();
      await alice.isOn('text');
    });

    test('Enter sends, Shift+Enter makes a line', async () => {
      await alice.type('first line');
      await alice.press('Shift+Enter');
      await alice.type('second line');
      await alice.press('Enter');
      await alice.hears('first line\nsecond line');
      await alice.isOn('text');
      await eventually(async () => assert.equal(await alice.page.locator('#text').inputValue(), ''));
    });

    test('Enter that ends a composition does not send', async () => {
      const input = await alice.context.newCDPSession(alice.page);
      await input.send('Input.imeSetComposition', { text: 'にほん', selectionStart: 3, selectionEnd: 3 });
      assert.equal(await alice.page.locator('#text').inputValue(), 'にほん');
      // As browsers send it: the key belongs to the composition (229), and then the words are settled.
      await input.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'Process', code: 'Enter', windowsVirtualKeyCode: 229 });
      await input.send('Input.insertText', { text: '日本' });
      await input.send('Input.dispatchKeyEvent', { type: 'keyUp', key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13 });
      assert.equal(await alice.page.locator('#text').inputValue(), '日本');
      // An Enter while a composition still runs, as other systems send it.
      await input.send('Input.imeSetComposition', { text: 'ご', selectionStart: 1, selectionEnd: 1 });
      await alice.press('Enter');
      const inBetween = await alice.page.locator('#text').inputValue();
      assert.ok(inBetween.startsWith('日本'), `sent in the middle of a composition: ${inBetween}`);
      await input.send('Input.imeSetComposition', { text: '', selectionStart: 0, selectionEnd: 0 });
      await alice.write('日本');
      await alice.press('Enter');
      await alice.hears('日本');
      assert.equal((await alice.rows()).length, 2);
    });

    test('the log scrolls with the keys, and the button leads back', async () => {
      for (let number = 1; number <= 60; number += 1) await bob.say(`line ${number}`);
      await alice.hears('line 60');
      await alice.isAtTheNewest();
      await alice.tabTo('scroll', 'Shift+Tab');
      const end = await scrolled();
      await alice.press('PageUp');
      await alice.page.waitForFunction((before) => document.getElementById('scroll').scrollTop < before - 100, end);
      await alice.press('Home');
      await alice.page.waitForFunction(() => document.getElementById('scroll').scrollTop === 0);
      await alice.reads('To the newest');
      await alice.tabTo('newer');
      await alice.press('Enter');
      await alice.isAtTheNewest();
      assert.ok((await scrolled()) >= end);
    });

    if (narrow) {
      test('the drawers open, keep the focus, and Escape closes them', async () => {
        for (const [button, drawer] of [['open-menu', 'menu'], ['open-people', 'people']]) {
          await alice.tabTo(button, 'Shift+Tab');
          await alice.press('Enter');
          await alice.page.locator(`#${drawer}`).waitFor();
          await alice.isOn(drawer);
          for (let presses = 0; presses < 12; presses += 1) {
            await alice.press('Tab');
            assert.ok(await alice.page.evaluate((id) => document.activeElement.closest(`#${id}`), drawer), `the focus left the open drawer ${drawer}`);
          }
          await alice.press('Escape');
          await alice.page.locator(`#${drawer}`).waitFor({ state: 'hidden' });
          await alice.isOn(button);
        }
      });
    }

    test('the arrow keys choose the theme', async () => {
      const light = await alice.ground();
      if (narrow) {
        await alice.tabTo('open-menu', 'Shift+Tab');
        await alice.press('Enter');
        await alice.tabTo('system');
      } else {
        await alice.tabTo('system', 'Shift+Tab');
      }
      await alice.press('ArrowRight', 'ArrowRight');
      await eventually(async () => assert.notEqual(await alice.ground(), light));
      await alice.press('ArrowLeft');
      await eventually(async () => assert.equal(await alice.ground(), light));
    });

    test('signing out leads to the entrance, which keeps the name', async () => {
      await alice.tabTo('sign-out');
      await alice.press('Enter');
      await alice.atTheEntrance();
      // The name stays, for most people come back as themselves.
      await alice.isOn('password');
    });

    test('one signs in again, with a mistake at first', async () => {
      await alice.type('not the password');
      await alice.press('Enter');
      await alice.reads('Wrong name or password.');
      await alice.isOn('password');
      await alice.press('ControlOrMeta+a');
      await alice.type('a good password');
      await alice.press('Enter');
      await alice.connected();
      await alice.isOn('text');
    });

    test('the browser had nothing to complain of', () => {
      alice.hadNothingToComplainOf();
    });
  });
}

describe('the keys among rooms', () => {
  let server, bob, alice;
  const query = () => alice.page.locator('#jump-query');
  const room = () => alice.page.locator('#room-name').textContent();
  const isIn = async (name) => {
    await alice.page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
    await alice.connected();
  };

  before(async () => {
    server = await Server.start({ MESSAGE_LIMIT: '10000' });
    bob = await Program.signIn(server, 'bob');
    for (const name of ['general', 'ideas', 'quiet']) await bob.call('/rooms', { room: name });
    alice = await Typist.at(browser, server.url);
    await alice.register('alice');
  });
  after(async () => {
    await alice?.context.close();
    await server?.stop();
  });

  test('what is typed right behind Ctrl+K is for its field, also before the dialog is loaded', async () => {
    await alice.page.reload();
    await alice.connected();
    await alice.page.keyboard.press('Control+k');
    await alice.type('gen');
    assert.equal(await query().inputValue(), 'gen');
    assert.equal(await alice.page.locator('#text').inputValue(), '');
    await alice.page.getByRole('option', { name: 'general' }).waitFor();
    // Loaded by now: typed in one go, in the frame in which it opens.
    await alice.press('Escape');
    await alice.page.locator('#jump').waitFor({ state: 'hidden' });
    await alice.page.evaluate(() => document.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true, cancelable: true })) || document.activeElement.id);
    assert.equal(await alice.page.evaluate(() => document.activeElement.id), 'jump-query');
    assert.equal(await query().inputValue(), '', 'it begins anew');
    await alice.type('gen');
    await alice.page.getByRole('option', { name: 'general' }).waitFor();
    await alice.press('Enter');
    await isIn('general');
  });

  test('arrows never come upon a room that is not there; its button is one Tab away', async () => {
    await alice.page.keyboard.press('Control+k');
    await alice.type('gen');
    await alice.page.getByRole('button', { name: 'Create “gen”' }).waitFor();
    await alice.picture('jump-create');
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp', 'ArrowUp']) {
      await alice.press(key);
      assert.equal(await alice.page.locator('#jump [aria-selected="true"] .name').textContent(), 'general');
    }
    // Not to the list, which is chosen from in the field.
    await alice.press('Tab');
    assert.match(await alice.page.evaluate(() => document.activeElement.textContent), /Create “gen”/);
    await alice.press('Shift+Tab');
    await alice.isOn('jump-query');
    await alice.press('Control+a');
    await alice.type('Bad Name!');
    await alice.page.getByRole('button', { name: 'Create “bad-name”' }).waitFor();
    await alice.reads('There is no bad-name yet. Enter creates it.');
    await alice.press('Enter');
    await isIn('bad-name');
  });

  test('Ctrl+K and Enter lead to the room one comes from, and back', async () => {
    await alice.page.keyboard.press('Control+k');
    await alice.page.getByRole('option', { name: 'general' }).waitFor();
    await alice.press('Enter');
    await isIn('general');
    await alice.page.keyboard.press('Control+k');
    await alice.page.keyboard.press('Enter');
    await isIn('bad-name');
    assert.equal(await room(), 'bad-name');
    // Both within one frame: what was never drawn open is closed all the same.
    await alice.page.evaluate(async () => {
      document.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true, cancelable: true }));
      await new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = resolve;
        port2.postMessage(null);
      });
      document.getElementById('jump-form').requestSubmit();
    });
    await isIn('general');
    assert.equal(await alice.page.locator('#jump').isVisible(), false);
    await alice.isOn('text');
    await alice.page.keyboard.press('Control+k');
    await alice.page.keyboard.press('Enter');
    await isIn('bad-name');
  });

  test('Alt and the arrows lead through the rooms, with Shift to what is new; each is named, and one goes on writing', async () => {
    await listen(alice.page);
    await alice.isOn('text');
    await alice.press('Alt+ArrowDown');
    await isIn('general');
    await alice.isOn('text');
    await hears(alice.page, 'general');
    await alice.press('Alt+ArrowDown');
    await isIn('general');
    await alice.press('Alt+ArrowUp', 'Alt+ArrowUp');
    await isIn('lobby');
    await alice.page.evaluate(() => (location.hash = '#ideas'));
    await isIn('ideas');
    await alice.page.evaluate(() => (location.hash = '#lobby'));
    await isIn('lobby');
    await bob.call('/rooms/ideas/messages', { message: 'one' });
    await alice.page.locator('#rooms li.unread a[href="#ideas"]').waitFor();
    await alice.press('Alt+Shift+ArrowDown');
    await isIn('ideas');
    await alice.hears('one');
    await alice.press('Alt+Shift+ArrowUp');
    await isIn('ideas');
  });

  test('a room that is chosen in the list, or left, or come to with a row in focus: one goes on writing', async () => {
    const link = (name) => alice.page.locator(`#rooms a[href="#${name}"]`);
    await link('bad-name').focus();
    await alice.press('ArrowDown');
    assert.equal(await alice.page.evaluate(() => document.activeElement.hash), '#general');
    await alice.press('End');
    await alice.press('ArrowUp', 'ArrowDown');
    assert.equal(await alice.page.evaluate(() => document.activeElement.hash), '#ideas');
    await alice.press('Home');
    assert.equal(await alice.page.evaluate(() => document.activeElement.hash), '#lobby');
    await alice.press('ArrowDown', 'ArrowDown', 'Enter');
    await isIn('general');
    await alice.isOn('text');
    await alice.say('a row to be on');
    await alice.hears('a row to be on');
    await alice.page.locator('.said', { hasText: 'a row to be on' }).focus();
    await alice.page.keyboard.press('Control+k');
    await alice.type('idea');
    await alice.page.getByRole('option', { name: 'ideas' }).waitFor();
    await alice.press('Enter');
    await isIn('ideas');
    await alice.isOn('text');
    await alice.page.getByRole('button', { name: 'Leave ideas' }).focus();
    await alice.press('Enter');
    await alice.page.getByRole('heading', { level: 1, name: 'lobby' }).waitFor();
    await alice.isOn('text');
  });

  test('all of this stands in a list', async () => {
    for (const [where, key] of [['#text', 'Control+/'], ['#scroll', '?']]) {
      await alice.page.locator(where).focus();
      await alice.page.keyboard.press(key);
      await alice.page.getByRole('dialog', { name: 'Keyboard', exact: true }).waitFor();
      await alice.reads('What can be done with the message');
      await alice.picture('shortcuts');
      await alice.press('Escape');
      await alice.page.getByRole('dialog', { name: 'Keyboard', exact: true }).waitFor({ state: 'hidden' });
      await alice.isOn(where.slice(1));
    }
    await alice.page.locator('#text').focus();
    await alice.type('what?');
    assert.equal(await alice.page.locator('#text').inputValue(), 'what?', 'where one writes it is a letter');
    await alice.write('');
    await alice.page.keyboard.press('Control+k');
    await alice.page.getByRole('option', { name: 'general' }).waitFor();
    await alice.tabTo('Keyboard shortcuts');
    await alice.picture('jump-shortcuts');
    await alice.press('Enter');
    await alice.page.getByRole('dialog', { name: 'Keyboard', exact: true }).waitFor();
    // What axe tries with the styles, the policy forbids.
    alice.expected.push(/style-src|preload assets/);
    for (const colorScheme of ['light', 'dark']) {
      await alice.page.emulateMedia({ colorScheme });
      for (const width of [320, 1440]) {
        await alice.page.setViewportSize({ width, height: 740 });
        await alice.fits(`shortcuts at ${width} px`);
        await alice.picture(`shortcuts-${width}-${colorScheme}`);
      }
      assert.deepEqual(await axe(alice.page), []);
    }
    await alice.page.keyboard.press('Enter');
    await alice.isOn('text');
  });

  test('the browser had nothing to complain of', () => {
    alice.hadNothingToComplainOf();
  });
});

/** Keeps what a screen reader is told from now on; `heard(page)` is all of it. */
function listen(page) {
  return page.evaluate(() => {
    globalThis.told = [];
    for (const id of ['spoken', 'alarm']) {
      const region = document.getElementById(id);
      new MutationObserver(() => region.textContent && globalThis.told.push(`${id}: ${region.textContent}`)).observe(region, { childList: true, characterData: true, subtree: true });
    }
  });
}

const heard = (page) => page.evaluate(() => globalThis.told);

async function hears(page, text) {
  await page.waitForFunction((wanted) => globalThis.told.some((words) => words.includes(wanted)), text).catch(async () => assert.fail(`${text} was not said, but: ${JSON.stringify(await heard(page))}`));
}

describe('what a screen reader hears', () => {
  let server, wire, bob, alice;
  const count = async (text) => (await heard(alice.page)).filter((words) => words.includes(text)).length;

  before(async () => {
    server = await Server.start({ MESSAGE_LIMIT: '10000' });
    wire = await Wire.to(server.port);
    bob = await Program.signIn(server, 'bob');
    await bob.call('/rooms', { room: 'general' });
    alice = await Typist.at(browser, wire.url);
    alice.expected.push(...NETWORK, /status of 401/);
    await alice.register('alice');
    await listen(alice.page);
  });
  after(async () => {
    await alice?.context.close();
    wire?.close();
    await server?.stop();
  });

  test('where one writes to', async () => {
    await alice.page.getByRole('textbox', { name: 'Message to lobby', exact: true }).waitFor();
    await alice.page.evaluate(() => (location.hash = '#general'));
    await alice.page.getByRole('textbox', { name: 'Message to general', exact: true }).waitFor();
    await alice.page.evaluate(() => (location.hash = '#lobby'));
    await alice.page.getByRole('textbox', { name: 'Message to lobby', exact: true }).waitFor();
    await alice.connected();
  });

  test('who calls by name, among many messages and in another room', async () => {
    await Promise.all([1, 2, 3, 4, 5].map((n) => bob.say(n === 2 ? 'where are you @alice' : `word ${n}`)));
    await hears(alice.page, '5 new messages');
    await hears(alice.page, 'bob mentioned you: where are you @alice');
    assert.equal(await count('word 1'), 0);
    assert.match(await alice.page.locator('.said.mentioned').textContent(), /mentions you/);
    assert.doesNotMatch(await alice.page.locator('.said', { hasText: 'word 1' }).textContent(), /mentions you/);
    await bob.call('/rooms/general/messages', { message: 'not about anybody' });
    await bob.call('/rooms/general/messages', { message: '@alice over here' });
    await hears(alice.page, 'bob mentioned you in general');
    assert.equal(await count('not about anybody'), 0);
  });

  test('the connection is lost, once; what waits, once; and it is back, once', async () => {
    wire.cut();
    await alice.cutOff();
    await hears(alice.page, 'The connection is lost. Reconnecting');
    await alice.say('on a train');
    await alice.say('in a tunnel');
    await hears(alice.page, 'Waiting to be sent');
    // Attempts fail, and nobody hears of each.
    const now = alice.page.getByRole('button', { name: 'Reconnect now' });
    for (let attempt = 0; attempt < 3; attempt += 1) await now.click();
    await alice.page.getByText(/Reconnecting in/).waitFor();
    wire.mend();
    await alice.comesBack();
    await alice.hears('in a tunnel');
    await hears(alice.page, 'Back');
    assert.equal(await count('lost'), 1);
    assert.equal(await count('Waiting'), 1);
    assert.equal(await count('econnecting'), 1);
    assert.equal(await count('Back'), 1);
  });

  test('the question before signing out waits for its answer, also when everything is sent meanwhile', async () => {
    wire.cut();
    await alice.cutOff();
    await alice.say('not sent yet');
    await alice.page.locator('.said.waiting').waitFor();
    await alice.click('Sign out');
    await alice.reads('One message is not sent yet.');
    await alice.isOn('leave-no');
    wire.mend();
    // By itself, without a click that would take the focus.
    await alice.page.evaluate(() => document.getElementById('status-now').click());
    await alice.page.locator('#chat[data-tone="good"]').waitFor({ timeout: 60_000 });
    await alice.reads('Everything is sent.');
    await alice.picture('everything-is-sent');
    await alice.isOn('leave-no');
    await alice.press('Enter');
    await alice.page.locator('#leave-question').waitFor({ state: 'hidden' });
    assert.ok(await alice.page.locator('#chat').isVisible());
  });

  test('a refusal, at once', async () => {
    wire.cut();
    await alice.cutOff();
    await alice.say('this was short enough when it was written');
    await alice.page.locator('.said.waiting').waitFor();
    await server.comesBack({ MESSAGE_MAX_CHARS: '20' });
    wire.mend();
    await alice.comesBack();
    await hears(alice.page, 'alarm: Not sent: this was short enough when it was written. ');
  });

  test('notifications that are blocked: the choice that holds has the focus, and each try is answered', async () => {
    const cdp = await alice.context.newCDPSession(alice.page);
    const { targetInfo } = await cdp.send('Target.getTargetInfo');
    await cdp.send('Browser.setPermission', { permission: { name: 'notifications' }, setting: 'denied', origin: new URL(alice.page.url()).origin, browserContextId: targetInfo.browserContextId });
    const focused = () => alice.page.evaluate(() => [document.activeElement.name, document.activeElement.value, document.activeElement.checked].join(' '));
    await alice.page.locator('#menu-notify input[value="off"]').focus();
    await alice.press('ArrowRight');
    await alice.reads('Your browser blocks notifications from this page.');
    await alice.page.waitForFunction(() => document.activeElement.value === 'off');
    assert.equal(await focused(), 'notify off true');
    assert.equal(await count('blocks notifications'), 0, 'the line says it by itself the first time');
    await alice.press('ArrowRight');
    await hears(alice.page, 'blocks notifications');
    await alice.page.waitForFunction(() => document.activeElement.value === 'off');
    assert.equal(await focused(), 'notify off true');
  });

  test('what is wrong with a field, where the focus is there already; and no hint that is not shown', async () => {
    await alice.click('Sign out');
    // What was refused still stands there.
    await alice.click('Delete and sign out');
    await alice.isOn('password');
    const described = () => alice.page.evaluate(() => ['username', 'password'].map((id) => document.getElementById(id).getAttribute('aria-describedby')));
    assert.deepEqual(await described(), ['', '']);
    await alice.type('not the password');
    await alice.press('Enter');
    await alice.page.getByRole('alert').getByText('Wrong name or password.').or(alice.page.locator('#password-error[role="alert"]')).first().waitFor();
    assert.deepEqual(await described(), ['', 'password-error']);
    await alice.click('Create an account');
    assert.deepEqual(await described(), ['username-hint', 'password-hint']);
    // The focus goes to what is wrong, which says it then: not twice.
    await alice.page.locator('#username').fill('al');
    await alice.page.locator('#password').focus();
    await alice.press('Enter');
    await alice.isOn('username');
    assert.equal(await alice.page.locator('#username-error').getAttribute('role'), null);
    assert.deepEqual((await described())[0], 'username-error');
    await alice.press('Enter');
    await alice.page.locator('#username-error[role="alert"]').waitFor();
  });

  test('the browser had nothing to complain of', () => {
    alice.hadNothingToComplainOf();
  });
});

describe('the keys among messages', () => {
  let server, wire, bob, alice;
  /** The row that has the focus, or else what has it. */
  const on = () => alice.page.evaluate(() => {
    const row = document.activeElement.closest('.said');
    return row?.querySelector('.text').textContent ?? document.activeElement.id ?? document.activeElement.className;
  });
  const isOnRow = async (text) => {
    await alice.page.waitForFunction((wanted) => document.activeElement.matches('.said') && document.activeElement.querySelector('.text').textContent === wanted, text)
      .catch(async () => assert.equal(await on(), text));
    assert.ok(await alice.page.evaluate(() => {
      const { top, bottom } = document.activeElement.getBoundingClientRect();
      const view = document.getElementById('scroll').getBoundingClientRect();
      return top >= view.top - 1 && bottom <= view.bottom + 1;
    }), `${text} is in sight`);
  };
  const scrolled = () => alice.page.evaluate(() => document.getElementById('scroll').scrollTop);
  const home = async () => {
    await alice.press('Escape');
    await alice.isOn('text');
  };

  before(async () => {
    server = await Server.start({ MESSAGE_LIMIT: '10000' });
    wire = await Wire.to(server.port);
    bob = await Program.signIn(server, 'bob');
    await bob.call('/rooms', { room: 'general' });
    for (let n = 1; n <= 60; n += 1) await bob.say(`line ${n}`);
    alice = await Typist.at(browser, wire.url);
    alice.expected.push(...NETWORK);
    await alice.register('alice');
    await alice.hears('line 60');
    // Its first key asks for what the keys do.
    await alice.hasItsParts();
    await listen(alice.page);
  });
  after(async () => {
    await alice?.context.close();
    wire?.close();
    await server?.stop();
  });

  test('pages, the first and the last: the focus goes along', async () => {
    await alice.press('Shift+Tab');
    await alice.press('ArrowUp');
    await alice.press('ArrowUp');
    await isOnRow('line 58');
    await alice.press('PageUp');
    const up = await on();
    assert.ok(Number(up.slice(5)) < 45, up);
    await isOnRow(up);
    await alice.press('ArrowUp');
    await isOnRow(`line ${Number(up.slice(5)) - 1}`);
    await alice.press('PageDown');
    const down = Number((await on()).slice(5));
    assert.ok(down > Number(up.slice(5)) + 10, `${down}`);
    await alice.press('Home');
    await isOnRow('line 1');
    await alice.press('ArrowDown');
    await isOnRow('line 2');
    await alice.press('End');
    await isOnRow('line 60');
    await alice.press('ArrowUp');
    await isOnRow('line 59');
    await home();
  });

  test('from everywhere back to where one writes, and from there to the newest', async () => {
    await alice.press('PageUp');
    await alice.isOn('text');
    await alice.reads('To the newest');
    const above = await scrolled();
    await alice.press('PageUp');
    assert.ok((await scrolled()) < above);
    await alice.press('Escape');
    await alice.page.locator('#newer').waitFor({ state: 'hidden' });
    await alice.isAtTheNewest();
    for (const place of ['#scroll', '#rooms a', '#sign-out', '#people-list']) {
      await alice.page.locator(place).first().focus();
      await alice.press('Escape');
      await alice.isOn('text');
    }
    await alice.press('Shift+Tab');
    await alice.press('ArrowUp');
    await isOnRow('line 59');
    await alice.type('hello');
    await alice.isOn('text');
    assert.equal(await alice.page.locator('#text').inputValue(), 'hello');
    await alice.write('');
  });

  test('a row that has the focus stays where it is while others talk', async () => {
    await alice.press('Shift+Tab');
    for (let presses = 0; presses < 5; presses += 1) await alice.press('ArrowUp');
    await isOnRow('line 55');
    const place = () => alice.page.evaluate(() => document.activeElement.getBoundingClientRect().top);
    const before = await place();
    for (let n = 61; n <= 100; n += 1) await bob.say(`line ${n}`);
    await alice.reads('40 new messages');
    assert.equal(await place(), before);
    await isOnRow('line 55');
    await alice.picture('row-holds');
    await alice.press('ArrowDown');
    await isOnRow('line 56');
    assert.ok(Math.abs((await place()) - before) < 100, 'and the next key does not jump');
    // Who comes to the last one has seen all of them.
    await alice.press('End');
    await isOnRow('line 100');
    await alice.page.locator('#newer').waitFor({ state: 'hidden' });
    await home();
    await alice.isAtTheNewest();
    await bob.say('line 101');
    await alice.hears('line 101');
    await alice.isAtTheNewest();
  });

  test('Tab stops at one row and at what stands in it, and at no other link or fold', async () => {
    await bob.say('see http://one.example/ and http://two.example/');
    await bob.say('nothing here');
    await alice.hears('nothing here');
    const stops = () => alice.page.evaluate(() => [...document.querySelectorAll('#thread a, #thread button, #thread li')].filter((element) => element.tabIndex === 0).map((element) => element.className || element.textContent));
    await alice.press('Shift+Tab');
    await isOnRow('nothing here');
    await alice.press('ArrowUp');
    await isOnRow('see http://one.example/ and http://two.example/');
    const classes = await stops();
    assert.equal(classes.filter((name) => name.startsWith('http')).length, 2);
    assert.equal(classes.length, 4, `the row, its time and its links: ${classes}`);
    await alice.press('Tab', 'Tab');
    assert.equal(await alice.page.evaluate(() => document.activeElement.textContent), 'http://one.example/');
    await alice.press('ArrowDown');
    await isOnRow('nothing here');
    assert.ok(!(await stops()).some((name) => name.startsWith('http')));
    await home();
  });

  test('a message’s address: the focus is on the message, and so it is when the address is opened', async () => {
    await alice.press('Shift+Tab');
    for (let presses = 0; presses < 9; presses += 1) await alice.press('ArrowUp');
    const text = await on();
    await alice.press('Tab');
    await alice.press('Enter');
    await alice.page.locator('.said.pointed').waitFor();
    await isOnRow(text);
    const seq = await alice.page.locator('.said.pointed').getAttribute('data-seq');
    assert.match(alice.page.url(), new RegExp(`#lobby/${seq}$`));
    assert.equal(await alice.page.locator('.said.pointed').getAttribute('tabindex'), '0');
    await home();
    await alice.page.evaluate(() => (location.hash = '#lobby/5'));
    await isOnRow('line 5');
    await home();
    // One that is writing goes on, and is told.
    await alice.write('half a sentence');
    await alice.page.evaluate(() => (location.hash = '#lobby/9'));
    await hears(alice.page, 'line 9');
    await alice.isOn('text');
    assert.equal(await alice.page.locator('.said.pointed').getAttribute('tabindex'), '0');
    await alice.write('');
    // What somebody writes is kept for their other windows a moment later: until it is gone there, too, the fresh one would go on with it.
    await alice.page.waitForFunction(() => localStorage.getItem('chorus:drafts:alice') === null);
    const [newest] = (await alice.rows()).at(-1);
    // Also the first one of the page that is loaded first, which follows another as soon as what is above it is there.
    for (const seq of [7, newest - 99]) {
      const fresh = await Typist.at(browser, 'about:blank', { context: alice.context });
      await fresh.page.goto(`${wire.url}#lobby/${seq}`);
      const isOnIt = () => fresh.page.waitForFunction((wanted) => document.activeElement.matches('.said') && document.activeElement.querySelector('.text').textContent === wanted, `line ${seq}`);
      await isOnIt();
      await fresh.page.locator('[data-seq="1"]').waitFor({ state: 'attached' });
      await isOnIt();
      await fresh.page.close();
    }
  });

  test('from there to the newest: so says the address, and the focus is where one writes', async () => {
    await alice.reads('To the newest');
    await alice.page.locator('#newer').focus();
    await alice.page.keyboard.press('Enter');
    await alice.isOn('text');
    await alice.page.locator('#newer').waitFor({ state: 'hidden' });
    assert.match(alice.page.url(), /#lobby$/);
    await alice.isAtTheNewest();
  });

  test('who came is one of the rows, and opened it stays in sight with its names below it', async () => {
    const crowd = await Crowd.of(server, Array.from({ length: 40 }, (_, n) => `somebody_with_a_long_name_${String(n).padStart(20, '0')}`));
    await crowd.enter();
    await alice.page.locator('.folds').last().waitFor();
    await alice.page.waitForFunction(() => document.querySelector('#people-count').textContent === '41');
    await alice.page.setViewportSize({ width: 1100, height: 420 });
    const fold = alice.page.locator('.fold').last();
    const seen = () => fold.evaluate((element) => {
      const { top, bottom } = element.getBoundingClientRect();
      const view = document.getElementById('scroll').getBoundingClientRect();
      return top >= view.top && bottom <= view.bottom;
    });
    /** Two frames later, when whatever follows the end has done so. */
    const settled = () => alice.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    await alice.page.locator('#text').focus();
    await alice.page.waitForFunction(() => document.getElementById('newer').hidden);
    await alice.page.locator('.said').last().focus();
    await alice.press('ArrowDown');
    assert.ok(await fold.evaluate((element) => element === document.activeElement), 'an arrow leads to it');
    await alice.press('Enter');
    await alice.page.locator('.names').last().getByText('Joined: ').waitFor();
    await settled();
    assert.ok(await seen(), 'opened with a key');
    await alice.picture('fold-open');
    await alice.press('Enter');
    await alice.press('ArrowUp');
    assert.equal(await on(), 'nothing here');
    await home();
    // The same with a pointer, which leaves nothing that a key shows.
    await fold.click();
    await settled();
    assert.ok(await seen(), 'opened with a pointer');
    await fold.click();
    await alice.page.locator('#text').click();
    await alice.page.waitForFunction(() => document.getElementById('newer').hidden);
    await alice.isAtTheNewest();
    await alice.page.setViewportSize({ width: 1440, height: 900 });
    crowd.leave();
    await alice.page.waitForFunction(() => document.querySelector('#people-count').textContent === '1');
  });

  test('what is not sent can be taken back or changed, and the focus never falls away', async () => {
    wire.cut();
    await alice.cutOff();
    for (const text of ['first', 'second', 'third']) await alice.say(text);
    await alice.page.locator('.said.waiting .text', { hasText: 'third' }).waitFor();
    const waiting = () => alice.page.locator('.said.waiting .text').allTextContents();
    await alice.picture('waiting-actions');
    await alice.tabTo('Delete', 'Shift+Tab');
    await alice.press('Enter');
    await isOnRow('second');
    assert.deepEqual(await waiting(), ['first', 'second']);
    await alice.press('Tab');
    assert.equal(await alice.page.evaluate(() => document.activeElement.textContent), 'Edit');
    await alice.press('Enter');
    await alice.isOn('text');
    assert.equal(await alice.page.locator('#text').inputValue(), 'second');
    assert.deepEqual(await waiting(), ['first']);
    await alice.write('this is longer than the server will want');
    await alice.press('Enter');
    await server.comesBack({ MESSAGE_MAX_CHARS: '20' });
    wire.mend();
    await alice.comesBack();
    await alice.page.locator('.refused').waitFor();
    await alice.picture('refused-actions');
    assert.deepEqual(await alice.page.locator('.refused .actions button').allTextContents(), ['Edit', 'Retry', 'Delete']);
    await alice.page.locator('#text').focus();
    await alice.tabTo('Retry', 'Shift+Tab');
    await alice.press('Enter');
    // It is another message now, and refused again.
    await alice.page.waitForFunction(() => document.activeElement.matches('.said.refused'));
    await alice.press('Tab', 'Tab', 'Tab');
    assert.equal(await alice.page.evaluate(() => document.activeElement.textContent), 'Delete');
    await alice.press('Enter');
    await alice.isOn('text');
    alice.hadNothingToComplainOf();
  });
});
