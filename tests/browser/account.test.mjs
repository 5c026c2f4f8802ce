// One's own account in the page: another password, and what that does to the other devices.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { visited } from './scene.mjs';

const { somebody } = visited();

const dialog = ({ page }) => page.getByRole('dialog', { name: 'Change password' });

async function change(person, current, next) {
  await dialog(person).getByLabel('Current password').fill(current);
  await dialog(person).getByLabel('New password').fill(next);
  await dialog(person).getByRole('button', { name: 'Change password' }).click();
}

test('a new password signs the other devices out, and this one stays', async () => {
  const desk = await somebody();
  await desk.register('alice');
  const phone = await somebody({ size: [360, 740] });
  await phone.signIn('alice');
  desk.expected.push(/status of 40[01]/);
  await desk.page.getByRole('button', { name: 'Change password' }).click();
  await desk.picture('password');
  await change(desk, '', 'another password');
  await desk.isOn('current-password');
  await change(desk, 'a good password', 'short');
  await dialog(desk).getByText('8 to 128 characters.', { exact: true }).waitFor();
  await desk.isOn('next-password');
  await change(desk, 'not my password', 'another password');
  await dialog(desk).getByText('This is not your password.').waitFor();
  await desk.picture('password-wrong');
  await change(desk, 'a good password', 'another password');
  await desk.page.getByText('Your password is changed.').waitFor();
  await phone.page.getByText('Your sign-in has ended. It was ended elsewhere, as by a new password.').waitFor();
  await desk.say('still here');
  await desk.hears('still here');
  await desk.page.reload();
  await desk.connected();
  phone.expected.push(/status of 401/);
  await phone.fill('alice', 'a good password');
  await phone.page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await phone.page.getByText('Wrong name or password.').waitFor();
  await phone.fill('alice', 'another password');
  await phone.page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await phone.connected();
});

test('on a phone the new password is confirmed where one is, and not for long', async () => {
  const erin = await somebody({ size: [360, 740] });
  await erin.register('erin');
  await erin.openMenu();
  await erin.page.getByRole('button', { name: 'Change password' }).click();
  await change(erin, 'a good password', 'another password');
  const word = erin.page.getByText('Your password is changed.');
  await word.waitFor();
  assert.ok(await word.evaluate((element) => {
    const { top, bottom, left } = element.getBoundingClientRect();
    return element.contains(document.elementFromPoint(left + 2, (top + bottom) / 2));
  }), 'nothing lies over it');
  await erin.picture('password-changed-phone');
  await word.waitFor({ state: 'hidden', timeout: 30_000 });
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
  await bob.isInTheRoom();
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
  await carol.isOn('text');
  await carol.page.keyboard.type('and/or');
  assert.equal(await carol.composer.inputValue(), 'and/or');
});
