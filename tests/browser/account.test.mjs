// One's own account in the page: another password, and what that does to the other devices.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { launch, Person, Server } from './house.mjs';

let browser;
let server;
const people = [];

before(async () => {
  [browser, server] = await Promise.all([launch(), Server.start()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

afterEach(async () => {
  for (const person of people.splice(0)) {
    assert.deepEqual(person.complaints(), []);
    await person.context.close();
  }
});

async function somebody(options) {
  const person = await Person.at(browser, server.url, options);
  people.push(person);
  return person;
}

const dialog = ({ page }) => page.getByRole('dialog', { name: 'Change password' });

async function change(person, current, next) {
  await dialog(person).getByLabel('Current password').fill(current);
  await dialog(person).getByLabel('New password').fill(next);
  await dialog(person).getByRole('button', { name: 'Change password' }).click();
}

/** Waits until a field has the focus. */
const isIn = ({ page }, id) => page.waitForFunction((wanted) => document.activeElement?.id === wanted, id);

test('a new password signs the other devices out, and this one stays', async () => {
  const desk = await somebody();
  await desk.register('alice');
  const phone = await somebody({ size: [360, 740] });
  await phone.signIn('alice');
  desk.expected.push(/status of 40[01]/);
  await desk.page.getByRole('button', { name: 'Change password' }).click();
  await desk.picture('password');
  await change(desk, '', 'another password');
  await isIn(desk, 'current-password');
  await change(desk, 'a good password', 'short');
  await dialog(desk).getByText('8 to 128 characters.', { exact: true }).waitFor();
  await isIn(desk, 'next-password');
  await change(desk, 'not my password', 'another password');
  await dialog(desk).getByText('This is not your password.').waitFor();
  await desk.picture('password-wrong');
  await change(desk, 'a good password', 'another password');
  await desk.page.getByText('Your password is changed.').waitFor();
  await phone.page.getByText('Your sign-in has ended.').waitFor();
  await desk.say('still here');
  await desk.hears('still here');
  await desk.page.reload();
  await desk.connected();
  phone.expected.push(/status of 401/);
  await phone.fill('alice', 'a good password');
  await phone.page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await phone.page.getByText('This name and password don’t belong together.').waitFor();
  await phone.fill('alice', 'another password');
  await phone.page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await phone.connected();
});

test('the dialog can be left without a change', async () => {
  const bob = await somebody({ size: [360, 740] });
  await bob.register('bob');
  await bob.openMenu();
  await bob.page.getByRole('button', { name: 'Change password' }).click();
  await dialog(bob).waitFor();
  await bob.picture('password-phone');
  await bob.fits('the dialog');
  await bob.page.keyboard.press('Escape');
  await dialog(bob).waitFor({ state: 'hidden' });
  await bob.openMenu();
  await bob.page.getByRole('button', { name: 'Change password' }).click();
  await dialog(bob).getByRole('button', { name: 'Cancel' }).click();
  await dialog(bob).waitFor({ state: 'hidden' });
  await bob.say('as before');
  await bob.hears('as before');
});

test('a slash begins to write, unless somebody writes already', async () => {
  const carol = await somebody();
  await carol.register('carol');
  await carol.page.locator('#scroll').focus();
  await carol.page.keyboard.press('/');
  await isIn(carol, 'text');
  await carol.page.keyboard.type('and/or');
  assert.equal(await carol.page.getByLabel('Message', { exact: true }).inputValue(), 'and/or');
});
