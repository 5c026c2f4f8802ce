// The page itself: narrow windows, themes, long histories, what a server offers before sign-in.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnbroken, eventually, Person, Program, Server } from './house.mjs';
import { browser } from './scene.mjs';

const LONG_NAME = 'Ferdinand_the_one_with_the_very_long_name_of_fifty';

describe('the page', () => {
  let server, program, alice;

  before(async () => {
    server = await Server.start({ MESSAGE_LIMIT: '10000' });
    program = await Program.signIn(server, LONG_NAME);
    alice = await Person.at(browser, server.url);
  });
  after(async () => {
    await alice?.context.close();
    await server?.stop();
  });

  test('the policy is strict, and files are of the right kind', async () => {
    const page = await fetch(server.url);
    const policy = page.headers.get('content-security-policy') ?? '';
    for (const part of ["default-src 'none'", "connect-src 'self'", "style-src 'self'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]) assert.ok(policy.includes(part), `${part} in ${policy}`);
    assert.doesNotMatch(policy, /unsafe|\*/);
    for (const [path, type] of [['/main.js', 'text/javascript'], ['/sdk/chorus.js', 'text/javascript'], ['/styles/tokens.css', 'text/css'], ['/favicon.svg', 'image/svg+xml'], ['/manifest.webmanifest', 'application/manifest+json']]) {
      const response = await fetch(server.url + path);
      assert.equal(response.status, 200, path);
      assert.equal(response.headers.get('content-type')?.split(';')[0], type, path);
    }
  });

  test('nothing is wider than the window at 320 px, with the longest words and names', async () => {
    await program.say(`https://example.org/${'a-word-without-end'.repeat(12)}`);
    await program.say('W'.repeat(200));
    await alice.page.setViewportSize({ width: 320, height: 640 });
    await alice.fits('entrance');
    await alice.page.getByRole('button', { name: 'Create an account' }).click();
    // Until it is drawn, the button of that name still sends the form.
    await alice.reads('A name and a password, nothing else.');
    await alice.fits('register');
    await alice.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await alice.register('alice_who_has_a_long_name_too_and_uses_all_of_it_5');
    await alice.hears('W'.repeat(200));
    await alice.fits('room');
    await alice.composer.fill('x'.repeat(510));
    await alice.page.getByText('10 characters too many', { exact: true }).waitFor();
    await alice.composer.press('Enter');
    await alice.page.locator('#count[aria-live]').getByText('Not sent: 10 characters too many').waitFor();
    assert.equal((await alice.composer.inputValue()).length, 510, 'not sent, not lost');
    await alice.fits('composer over its limit');
    await alice.picture('narrow');
    await alice.composer.fill('');
    await alice.page.locator('#open-people').click();
    await alice.page.locator('#people').waitFor();
    await alice.fits('people');
    await alice.page.keyboard.press('Escape');
    await alice.page.locator('#people').waitFor({ state: 'hidden' });
    await alice.isOn('open-people');
    await alice.isInTheRoom();
    await alice.openMenu();
    await alice.fits('menu');
    await alice.page.locator('#menu').getByRole('button', { name: 'Close' }).click();
    await alice.page.locator('#menu').waitFor({ state: 'hidden' });
    await alice.page.setViewportSize({ width: 1440, height: 900 });
    await alice.fits('desktop');
  });

  test('targets are large enough for a finger', async () => {
    const phone = await Person.at(browser, server.url, { size: [360, 740], hasTouch: true, isMobile: true });
    await phone.register('touch');
    await phone.openMenu();
    const small = () => phone.page.evaluate(() =>
      [...document.querySelectorAll('button, input:not(.unseen), textarea, .theme span, .rooms a')]
        .filter((element) => element.checkVisibility({ visibilityProperty: true }))
        .filter((element) => element.getBoundingClientRect().height < 44 || parseFloat(getComputedStyle(element).fontSize) < (element.matches('input, textarea') ? 16 : 0))
        .map((element) => element.id || element.textContent),
    );
    await eventually(async () => assert.deepEqual(await small(), []));
    await phone.page.keyboard.press('Escape');
    await phone.page.locator('#menu').waitFor({ state: 'hidden' });
    // Enter is a new line there; the button sends.
    await phone.composer.fill('by hand');
    await phone.composer.press('Enter');
    assert.equal(await phone.composer.inputValue(), 'by hand\n');
    await phone.page.getByRole('button', { name: 'Send' }).tap();
    await phone.hears('by hand');
    phone.hadNothingToComplainOf();
    await phone.context.close();
  });

  test('the theme follows the system until one is chosen, and the choice holds', async () => {
    const isDrawnOn = (color) => eventually(async () => assert.equal(await alice.ground(), color));
    const light = await alice.ground();
    await alice.page.emulateMedia({ colorScheme: 'dark' });
    await eventually(async () => assert.notEqual(await alice.ground(), light));
    const dark = await alice.ground();
    await alice.page.locator('#menu').getByText('Light', { exact: true }).click();
    await isDrawnOn(light);
    await alice.page.reload();
    await alice.connected();
    await isDrawnOn(light);
    await alice.page.locator('#menu').getByText('System', { exact: true }).click();
    await isDrawnOn(dark);
    await alice.page.emulateMedia({ colorScheme: 'light' });
  });

  test('older messages come by scrolling up, and the row one looks at does not move', async () => {
    for (let number = 1; number <= 260; number += 1) await program.say(`line ${number}`);
    // What she has not seen before the reload would be new to her after it.
    await alice.hears('line 260');
    await alice.page.reload();
    await alice.connected();
    await alice.hears('line 260');
    const before = (await alice.rows()).length;
    assert.ok(before < 260, `${before} rows at first`);
    const moved = await alice.page.evaluate(async () => {
      const scroll = document.getElementById('scroll');
      const first = () => document.querySelector('[data-seq]');
      scroll.scrollTop = 600;
      await new Promise(requestAnimationFrame);
      const top = scroll.getBoundingClientRect().top;
      const row = [...document.querySelectorAll('[data-seq]')].find((candidate) => candidate.getBoundingClientRect().top >= top);
      const [place, oldest] = [row.getBoundingClientRect().top, first()];
      for (const end = performance.now() + 20_000; performance.now() < end && first() === oldest; ) await new Promise(requestAnimationFrame);
      return { loaded: first() !== oldest, by: Math.abs(row.getBoundingClientRect().top - place) };
    });
    assert.ok(moved.loaded);
    assert.ok(moved.by < 1, `moved by ${moved.by} px`);
    await eventually(async () => {
      await alice.page.evaluate(() => (document.getElementById('scroll').scrollTop = 0));
      assert.equal((await alice.rows())[0][0], 1);
    });
    assertUnbroken(await alice.rows());
  });

  test('one who reads above stays there; a button counts what is new and leads to it', async () => {
    await alice.page.evaluate(() => (document.getElementById('scroll').scrollTop = 900));
    await alice.page.getByRole('button', { name: 'To the newest' }).waitFor();
    await program.say('while you read');
    await program.say('and again');
    await alice.page.getByRole('button', { name: '2 new messages' }).waitFor();
    assert.equal(await alice.page.evaluate(() => document.getElementById('scroll').scrollTop), 900);
    await alice.page.getByRole('button', { name: '2 new messages' }).click();
    await alice.page.waitForFunction(() => document.getElementById('newer').hidden);
    await program.say('at the end again');
    await alice.hears('at the end again');
    await alice.isAtTheNewest();
  });

  test('who types is told to the others', async () => {
    const bob = await Person.at(browser, server.url);
    await bob.register('bob');
    await bob.composer.pressSequentially('hm');
    await alice.page.getByText('bob is typing').waitFor();
    await bob.context.close();
  });

  test('the browser had nothing to complain of', () => {
    alice.hadNothingToComplainOf();
  });
});

test('a server with demo accounts and closed registration offers the one and not the other', async () => {
  const server = await Server.start({ DEMO_ACCOUNTS: 'true', REGISTRATION: 'closed' });
  try {
    const guest = await Person.at(browser, server.url);
    await guest.page.getByRole('button', { name: 'guest' }).waitFor();
    await guest.page.waitForFunction(() => document.getElementById('entrance-switch').hidden);
    await guest.picture('demo');
    await guest.page.getByRole('button', { name: 'guest' }).click();
    await guest.connected();
    await guest.sees('guest');
    guest.hadNothingToComplainOf();
    await guest.context.close();
  } finally {
    await server.stop();
  }
});
