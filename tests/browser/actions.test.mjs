// What can be done with a message and with a name: by mouse, by finger and with the keyboard alone.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, Person, Program, Server } from './house.mjs';

let browser, server, bob, alice;

before(async () => {
  browser = await launch();
  server = await Server.start({ MESSAGE_LIMIT: '10000' });
  bob = await Program.signIn(server, 'bob');
  await bob.enter();
  alice = await Person.at(browser, 'about:blank');
  await listen(alice);
  await alice.page.goto(server.url);
  await alice.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
  await alice.register('alice');
});
after(async () => {
  await alice?.context.close();
  bob?.leave();
  await browser?.close();
  await server?.stop();
});

/** Keeps what a screen reader is told, from the next load of the page on. */
function listen({ page }) {
  return page.addInitScript(() => {
    globalThis.told = [];
    addEventListener('DOMContentLoaded', () => {
      const region = document.getElementById('spoken');
      new MutationObserver(() => globalThis.told.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
    });
  });
}

const composer = ({ page }) => page.locator('#text');
const row = ({ page }, text) => page.locator('#thread .said', { hasText: text });
const menu = ({ page }) => page.getByRole('menu');
const choose = ({ page }, name) => page.getByRole('menuitem', { name, exact: true }).click();
const pasted = ({ page }) => page.evaluate(() => navigator.clipboard.readText());
/** What a screen reader was told since the last time one asked; it stands there for a moment only. */
const heard = ({ page }, text) => page.waitForFunction((wanted) => globalThis.told?.splice(0).some((words) => words.includes(wanted)), text);
const focused = ({ page }, text) => page.waitForFunction((wanted) => document.activeElement?.matches('.said') && document.activeElement.textContent.includes(wanted), text);

/** Opens the menu of a message as somebody with a mouse does. */
async function more(person, text) {
  await row(person, text).hover();
  await row(person, text).getByRole('button', { name: 'More' }).click();
  await menu(person).waitFor();
}

test('the link of an empty room is copied, and that is said', async () => {
  await alice.page.goto(`${server.url}/#lobby`);
  await alice.click('Copy link');
  await heard(alice, 'Copied');
  await alice.reads('Copied');
  assert.equal(await pasted(alice), `${server.url}/#lobby`);
});

describe('with a mouse', () => {
  test('the link and the text are copied, as they were written, and that is said', async () => {
    await bob.say('the first `line`');
    await bob.say('**two**\nlines @alice');
    await alice.hears('**two**\nlines @alice');
    await more(alice, '**two**');
    await alice.picture('actions');
    await alice.fits('actions');
    await choose(alice, 'Copy link');
    await heard(alice, 'Copied');
    const seq = await row(alice, '**two**').getAttribute('data-seq');
    assert.equal(await pasted(alice), `${server.url}/#lobby/${seq}`);
    await focused(alice, '**two**');
    await row(alice, '**two**').getByText('Copied').waitFor();
    await alice.picture('actions-copied');
    await more(alice, 'the first');
    await choose(alice, 'Copy text');
    await heard(alice, 'Copied');
    await alice.page.waitForFunction(async () => (await navigator.clipboard.readText()) === 'the first `line`');
    // It is said for a moment.
    await row(alice, 'the first').getByText('Copied').waitFor({ state: 'hidden' });
    await alice.page.locator('#spoken', { hasText: 'Copied' }).waitFor({ state: 'detached' });
  });

  test('what somebody said is quoted where one writes, and drawn as a quote', async () => {
    await alice.write('I was about to say');
    await more(alice, '**two**');
    await choose(alice, 'Quote');
    await alice.isOn('text');
    assert.equal(await composer(alice).inputValue(), 'I was about to say\n> bob: **two**\n> lines @alice\n');
    await alice.page.keyboard.type('indeed');
    await alice.press('Enter');
    const mine = row(alice, 'indeed');
    await mine.locator('blockquote').waitFor();
    assert.equal(await mine.locator('blockquote').count(), 1);
    assert.equal(await mine.locator('blockquote').innerText(), 'bob: **two**\nlines @alice');
    assert.equal(await mine.locator('strong, b:not(.name)').count(), 0, 'stars are stars');
  });

  test('a quote does not call whom it names, and does not grow when it is quoted', async () => {
    // What is only a quote was not said by whom it is quoted from.
    await bob.say('> carol: only this');
    await more(alice, 'only this');
    await choose(alice, 'Quote');
    assert.equal(await composer(alice).inputValue(), '> carol: only this\n');
    await alice.write('');
    await bob.say('> @alice asked\nno');
    await row(alice, '@alice asked').waitFor();
    assert.ok(!(await row(alice, '@alice asked').evaluate((element) => element.classList.contains('mentioned'))));
    await more(alice, '@alice asked');
    await choose(alice, 'Quote');
    assert.equal(await composer(alice).inputValue(), '> bob: no\n');
    await alice.write('');
    await bob.say(`long ${'word '.repeat(60)}`);
    await more(alice, 'long word');
    await choose(alice, 'Quote');
    const quote = await composer(alice).inputValue();
    assert.ok(quote.length < 180 && quote.endsWith('…\n'), quote);
    await alice.write('');
  });

  test('its author is mentioned, and nobody mentions themselves', async () => {
    await alice.write('thanks');
    await more(alice, 'the first');
    await choose(alice, 'Mention bob');
    await alice.isOn('text');
    assert.equal(await composer(alice).inputValue(), 'thanks @bob ');
    await alice.write('');
    await more(alice, 'indeed');
    assert.deepEqual(await alice.page.getByRole('menuitem').allTextContents(), ['Copy link', 'Copy text', 'Quote']);
    // A click elsewhere closes it.
    await composer(alice).click();
    await menu(alice).waitFor({ state: 'detached' });
    await alice.isOn('text');
  });

  test('the button lies over no words, and none is there for what is not asked for', async () => {
    await row(alice, 'long word').hover();
    const boxes = await row(alice, 'long word').evaluate((element) => {
      const range = document.createRange();
      range.selectNodeContents(element.querySelector('.text'));
      const button = element.querySelector('.more').getBoundingClientRect();
      return [...range.getClientRects()].filter(({ right, bottom, top }) => right > button.left && bottom > button.top && top < button.bottom).length;
    });
    assert.equal(boxes, 0);
    await alice.page.mouse.move(0, 0);
    await composer(alice).focus();
    await alice.page.locator('.more').waitFor({ state: 'detached' });
  });
});

describe('with the keyboard', () => {
  // What the keys do among rows is loaded with the first one that is pressed.
  before(() => alice.hasItsParts());

  test('Enter and the menu keys open it, arrows lead through it, Escape leads back', async () => {
    await composer(alice).focus();
    await alice.press('Shift+Tab', 'ArrowUp');
    await focused(alice, '@alice asked');
    for (const key of ['Enter', 'Shift+F10', 'ContextMenu']) {
      await alice.press(key);
      await menu(alice).waitFor();
      const on = () => alice.page.evaluate(() => document.activeElement.textContent);
      assert.equal(await on(), 'Copy link');
      await alice.press('ArrowDown');
      assert.equal(await on(), 'Copy text');
      await alice.press('ArrowUp', 'ArrowUp');
      assert.equal(await on(), 'Mention bob');
      await alice.press('ArrowDown');
      assert.equal(await on(), 'Copy link');
      await alice.press('Escape');
      await menu(alice).waitFor({ state: 'detached' });
      await focused(alice, '@alice asked');
    }
    await alice.press('Enter', 'End', 'Enter');
    await alice.isOn('text');
    assert.equal(await composer(alice).inputValue(), '@bob ');
    await alice.write('');
  });

  test('Ctrl+C copies the message that has the focus, and what is selected where something is', async () => {
    await composer(alice).focus();
    await alice.press('Shift+Tab', 'ArrowUp');
    await focused(alice, '@alice asked');
    await alice.press('Control+c');
    await heard(alice, 'Copied');
    assert.equal(await pasted(alice), '> @alice asked\nno');
    await row(alice, '@alice asked').evaluate((element) => getSelection().selectAllChildren(element.querySelector('blockquote')));
    await alice.press('Control+c');
    await alice.page.waitForFunction(async () => (await navigator.clipboard.readText()).trim() === '@alice asked');
    await alice.page.evaluate(() => getSelection().empty());
  });

  test('a message is read out shortly, and its exact time is in its menu', async () => {
    const label = await row(alice, '@alice asked').getAttribute('aria-label');
    assert.match(label, /^bob, \d?\d:\d\d.{0,3}: @alice asked\s*no$/u);
    const title = await row(alice, '@alice asked').locator('.time').getAttribute('title');
    await row(alice, '@alice asked').focus();
    await alice.press('Enter');
    await alice.page.locator('.menu-of', { hasText: title }).waitFor();
    await alice.press('Escape');
  });

  test('names in the list of people are one stop, and each is written by Enter', async () => {
    const others = ['alex_10', 'alex_2'];
    const programs = await Promise.all(others.map((name) => Program.signIn(server, name)));
    for (const program of programs) await program.enter();
    await alice.sees('alice', 'bob', ...others);
    assert.deepEqual(await alice.people(), ['alice', 'alex_2', 'alex_10', 'bob']);
    await alice.page.getByRole('button', { name: 'Mention alex_2', exact: true }).focus();
    await alice.press('ArrowDown', 'ArrowDown');
    await alice.page.waitForFunction(() => document.activeElement.title === 'bob');
    assert.equal(await alice.page.locator('#people-list button[tabindex="0"]').count(), 1);
    await alice.press('ArrowUp', 'Enter');
    await alice.isOn('text');
    assert.equal(await composer(alice).inputValue(), '@alex_10 ');
    await alice.write('');
    for (const program of programs) program.leave();
    await alice.sees('alice', 'bob');
  });

  test('where people are many they are searched: hits are said, arrows lead to them, Enter takes the first', async () => {
    const programs = await Promise.all(Array.from({ length: 12 }, (_, index) => Program.signIn(server, `guest_${index}`)));
    for (const program of programs) await program.enter();
    await alice.page.locator('#people-count', { hasText: '14' }).waitFor();
    await alice.page.locator('#people-search').fill('guest_1');
    await alice.page.locator('#people-more[role="status"]', { hasText: '3 found' }).waitFor();
    await alice.press('ArrowDown', 'ArrowDown');
    await alice.page.waitForFunction(() => document.activeElement.title === 'guest_10');
    await alice.press('ArrowUp', 'ArrowUp');
    await alice.isOn('people-search');
    await alice.press('Enter');
    await alice.isOn('text');
    assert.equal(await composer(alice).inputValue(), '@guest_1 ');
    await alice.write('');
    await alice.page.locator('#people-search').fill('');
    for (const program of programs) program.leave();
    await alice.sees('alice', 'bob');
  });
});

test('with a finger: a touch brings the time and the button, and names in the drawer are written', async () => {
  const phone = await Person.at(browser, server.url, { size: [360, 740], hasTouch: true, isMobile: true });
  await phone.register('carol');
  for (const text of ['and more', 'the last']) await bob.say(text);
  await phone.hears('the last');
  const last = row(phone, 'the last');
  await last.locator('.text').tap();
  const button = last.getByRole('button', { name: 'More' });
  await button.waitFor();
  const { width, height } = await button.boundingBox();
  assert.ok(width >= 44 && height >= 44, `${width} × ${height}`);
  await phone.page.waitForFunction((element) => getComputedStyle(element).opacity === '1', await last.locator('.time').elementHandle());
  await phone.fits('a row with its button');
  await phone.picture('actions-phone-row');
  await button.tap();
  await menu(phone).waitFor();
  await phone.fits('actions');
  await phone.picture('actions-phone');
  // What is said meanwhile does not close it.
  await bob.say('something else');
  await phone.hears('something else');
  assert.ok(await menu(phone).isVisible());
  await phone.page.getByRole('menuitem', { name: 'Mention bob' }).tap();
  await phone.page.waitForFunction(() => document.getElementById('text').value === '@bob ');
  await phone.write('');
  await phone.page.locator('#open-people').tap();
  await phone.page.getByRole('button', { name: 'Mention alice' }).tap();
  await phone.page.locator('#people').waitFor({ state: 'hidden' });
  await phone.page.waitForFunction(() => document.getElementById('text').value === '@alice ');
  phone.hadNothingToComplainOf();
  await phone.context.close();
});

test('a link into this page leads there, in this window; one to elsewhere does not', async () => {
  const seq = await row(alice, 'the first').getAttribute('data-seq');
  await bob.say(`see ${server.url}/#lobby/${seq}`);
  await bob.say(`and ${server.url}/health or www.example.org or bob@example.org`);
  const [health, www, mail] = await Promise.all(['/health', 'www.example.org', 'bob@example.org'].map((text) => alice.page.locator('.text a', { hasText: text }).evaluate((a) => [a.href, a.target])));
  assert.deepEqual([health, www, mail], [[`${server.url}/health`, '_blank'], ['https://www.example.org/', '_blank'], ['mailto:bob@example.org', '']]);
  const pages = alice.context.pages().length;
  await alice.page.locator('.text a', { hasText: `#lobby/${seq}` }).click();
  await alice.page.locator('.said.pointed', { hasText: 'the first' }).waitFor();
  assert.equal(alice.context.pages().length, pages);
  assert.equal(await alice.page.evaluate(() => location.hash), `#lobby/${seq}`);
});

test('without a clipboard of its own the page copies all the same', async () => {
  const carol = await Person.at(browser, 'about:blank');
  await listen(carol);
  await carol.page.addInitScript(() => {
    Object.defineProperty(navigator, 'clipboard', { value: undefined });
    document.execCommand = (command) => {
      globalThis.copied = [command, document.activeElement.value];
      return true;
    };
  });
  await carol.page.goto(server.url);
  await carol.signIn('carol');
  await carol.hears('the last');
  await more(carol, 'the last');
  await choose(carol, 'Copy text');
  await heard(carol, 'Copied');
  assert.deepEqual(await carol.page.evaluate(() => globalThis.copied), ['copy', 'the last']);
  await focused(carol, 'the last');
  await carol.context.close();
});

test('the browser had nothing to complain of', () => {
  alice.hadNothingToComplainOf();
});
