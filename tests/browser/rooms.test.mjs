// Several rooms, as people use them: found and made by a few letters, unread ones counted, links that
// lead to a message, and somebody found among many.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, NETWORK, Program } from './house.mjs';
import { visited } from './scene.mjs';

const scene = visited({ MESSAGE_LIMIT: '1000', SIGN_IN_PER_MINUTE: '6000' });
let made = 0;

/** Somebody new, signed in. */
async function somebody(options, hash) {
  const person = await scene.somebody(options, hash);
  person.name = `person${(made += 1)}`;
  await person.register(person.name);
  return person;
}

const roomName = () => `room-${(made += 1)}`;

async function jumpTo(person, text) {
  await person.page.keyboard.press('Control+k');
  await person.page.getByRole('combobox', { name: 'Find or create a room' }).fill(text);
}

async function create(person, room) {
  await jumpTo(person, room);
  await person.page.getByRole('button', { name: `Create “${room}”` }).waitFor();
  await person.page.keyboard.press('Enter');
  await isIn(person, room);
}

async function isIn(person, room) {
  await person.page.getByRole('heading', { level: 1, name: room }).waitFor();
  await person.connected();
}

const badge = (person, room) => person.page.locator(`#rooms a[href="#${room}"] .badge`);

async function badged(person, room, text) {
  await eventually(async () => assert.deepEqual(await badge(person, room).allTextContents(), [text]));
}

test('a room is made by writing its name, found by a part of it, and left again', async () => {
  const [alice, bob] = [await somebody(), await somebody()];
  const room = roomName();
  await create(alice, room);
  assert.match(alice.page.url(), new RegExp(`#${room}$`));
  await alice.page.getByText('You’re the first here.').waitFor();
  await jumpTo(bob, room.slice(2));
  await bob.page.getByRole('option', { name: room }).waitFor();
  await bob.picture('jump');
  await bob.page.keyboard.press('Enter');
  await isIn(bob, room);
  await alice.say('in here');
  await bob.hears('in here');
  await bob.sees(alice.name, bob.name);
  await bob.page.getByRole('button', { name: `Leave ${room}` }).click();
  await isIn(bob, 'lobby');
  await bob.page.locator(`#rooms a[href="#${room}"]`).waitFor({ state: 'detached' });
  await alice.sees(alice.name);
});

test('a name that no room can have is explained, and the keys lead through the list', async () => {
  const alice = await somebody();
  const [one, two] = [roomName(), roomName()];
  await create(alice, one);
  await create(alice, two);
  await jumpTo(alice, '!?');
  await alice.page.getByText('A room’s name has').waitFor();
  await jumpTo(alice, '');
  const option = (selected, name) => alice.page.locator(`#jump [aria-selected="${selected}"] .name`, { hasText: name });
  // The lobby has come from the server: from here on the list stays as it is.
  await alice.page.locator('#jump .name', { hasText: 'lobby' }).waitFor();
  const chosen = () => alice.page.locator('#jump [aria-selected="true"] .name').textContent();
  const first = await chosen();
  await alice.page.keyboard.press('ArrowDown');
  await option(false, first).waitFor();
  assert.notEqual(await chosen(), first);
  await alice.page.keyboard.press('ArrowUp');
  await option(true, first).waitFor();
  assert.equal(await chosen(), first);
  await alice.page.keyboard.press('Escape');
  await alice.page.locator('#jump').waitFor({ state: 'hidden' });
  await isIn(alice, two);
});

test('what is said in another room is counted there, and begins at a line', async () => {
  const [alice, bob] = [await somebody(), await somebody()];
  const room = roomName();
  await create(alice, room);
  await bob.page.goto(`${scene.server.url}#${room}`);
  await isIn(bob, room);
  await alice.say('one');
  await bob.hears('one');
  await bob.page.locator('#rooms a[href="#lobby"]').click();
  await isIn(bob, 'lobby');
  await alice.say('two');
  await alice.say('three');
  await badged(bob, room, '2');
  await bob.picture('unread');
  // It survives a reload.
  await bob.page.reload();
  await isIn(bob, 'lobby');
  await badged(bob, room, '2');
  await bob.page.locator(`#rooms a[href="#${room}"]`).click();
  await bob.hears('three');
  const texts = bob.page.locator('#thread .said .text, #thread .new');
  await eventually(async () => assert.deepEqual(await texts.allTextContents(), ['one', 'New', 'two', 'three']));
  await badged(bob, room, '');
  await alice.say('four');
  await bob.hears('four');
  // What is seen is read.
  await badged(bob, room, '');
});

test('more than a screen of unread messages is read from its beginning', async () => {
  const [alice, bob] = [await somebody(), await somebody()];
  const room = roomName();
  await create(alice, room);
  await alice.say('known');
  await bob.page.goto(`${scene.server.url}#${room}`);
  await bob.hears('known');
  await bob.page.locator('#rooms a[href="#lobby"]').click();
  const program = await Program.signIn(scene.server, `program${made}`);
  for (let n = 1; n <= 60; n += 1) await program.call(`/rooms/${room}/messages`, { message: `number ${n}` });
  await badged(bob, room, '60');
  await bob.page.locator(`#rooms a[href="#${room}"]`).click();
  await isIn(bob, room);
  const isSeen = (text) => bob.page.getByText(text, { exact: true }).evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    const view = document.querySelector('#scroll').getBoundingClientRect();
    return top >= view.top && bottom <= view.bottom;
  });
  await eventually(async () => assert.ok(await isSeen('number 1'), 'the first unread one is in sight'));
  assert.ok(!(await isSeen('number 60')));
  await bob.picture('unread-line');
  // A glance reads what it sees, and no more.
  const count = () => badge(bob, room).textContent().then(Number);
  await bob.page.waitForFunction((name) => Number(document.querySelector(`#rooms a[href="#${name}"] .badge`).textContent) < 60, room);
  const left = await count();
  assert.ok(left > 20, `${left} are left`);
  await bob.page.locator('#rooms a[href="#lobby"]').click();
  await isIn(bob, 'lobby');
  await badged(bob, room, String(left));
  await bob.page.locator(`#rooms a[href="#${room}"]`).click();
  await isIn(bob, room);
  const line = bob.page.locator('#thread .new + .said, #thread .chunk:has(> .new:last-child) + .chunk > .said:first-child');
  assert.equal(await line.locator('.text').textContent(), `number ${60 - left + 1}`);
  assert.ok(!(await isSeen('number 60')));
  await bob.page.getByRole('button', { name: /^\d+ new messages$/ }).click();
  await badged(bob, room, '');
  await eventually(async () => assert.ok(await isSeen('number 60')));
  await bob.isAtTheNewest();
});

test('the button for new messages leads to the first of them, and then to the newest', async () => {
  const alice = await somebody();
  const room = roomName();
  await create(alice, room);
  const program = await Program.signIn(scene.server, `program${(made += 1)}`);
  const say = (text) => program.call(`/rooms/${room}/messages`, { message: text });
  for (let n = 1; n <= 60; n += 1) await say(`number ${n}`);
  await alice.hears('number 60');
  await alice.page.locator('#scroll').hover();
  await alice.page.mouse.wheel(0, -900);
  await alice.reads('To the newest');
  for (let n = 61; n <= 120; n += 1) await say(n === 100 ? `@${alice.name}, number 100` : `number ${n}`);
  await alice.page.getByRole('button', { name: '60 new messages, one names you' }).click();
  const inView = (selector) => alice.page.locator(selector).evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    const view = document.querySelector('#scroll').getBoundingClientRect();
    return top >= view.top && bottom <= view.bottom;
  });
  await eventually(async () => assert.ok(await inView('#thread .new')));
  assert.ok(!(await inView('[data-seq="120"]')));
  await alice.page.getByRole('button', { name: /^\d+ new messages, one names you$/ }).click();
  await alice.page.locator('#newer').waitFor({ state: 'hidden' });
  await alice.isAtTheNewest();
  await eventually(async () => assert.ok(await inView('[data-seq="120"]')));
});

test('the address of a message leads to it, also when it is far back', async () => {
  const alice = await somebody();
  const program = await Program.signIn(scene.server, `program${(made += 1)}`);
  const room = roomName();
  await create(alice, room);
  for (let n = 1; n <= 400; n += 1) await program.call(`/rooms/${room}/messages`, { message: `number ${n}` });
  await alice.hears('number 400');
  const address = await alice.page.locator('[data-seq="400"] a.time').getAttribute('href');
  assert.equal(address, `#${room}/400`);
  const bob = await somebody({}, `#${room}/7`);
  const pointed = bob.page.locator('.said.pointed');
  await pointed.waitFor();
  await eventually(async () => assert.equal(await pointed.locator('.text').textContent(), 'number 7'));
  await bob.page.waitForFunction(() => {
    const { top, bottom } = document.querySelector('.said.pointed').getBoundingClientRect();
    return top > 0 && bottom < innerHeight;
  });
  await bob.picture('permalink');
  await bob.page.evaluate((hash) => (location.hash = hash), `#${room}/390`);
  await bob.page.waitForFunction(() => document.querySelector('.said.pointed .text')?.textContent === 'number 390');
});

test('a room that is not there says so, takes no words, and can be made', async () => {
  const alice = await somebody();
  alice.expected.push(/status of 404/);
  const [room, other] = [roomName(), roomName()];
  const to = (hash) => alice.page.evaluate((wanted) => (location.hash = wanted), hash);
  await to(`#${room}`);
  await alice.reads('There is no room of this name.');
  assert.ok(await alice.composer.isDisabled());
  assert.equal(await alice.page.locator(`#rooms a[href="#${room}"]`).count(), 0, 'it is not in the list');
  assert.equal(await alice.page.getByRole('button', { name: `Leave ${room}` }).count(), 0);
  await alice.picture('no-such-room');
  await alice.click('go to the lobby');
  await isIn(alice, 'lobby');
  await to(`#${room}`);
  await alice.click('Create it');
  await isIn(alice, room);
  await alice.say('now there is');
  await alice.hears('now there is');
  await to(`#${other}`);
  await alice.reads('There is no room of this name.');
  await create(alice, other);
  await alice.say('this one too');
  await alice.hears('this one too');
});

test('a link to a message that is not there says so', async () => {
  const alice = await somebody();
  const room = roomName();
  await create(alice, room);
  await alice.page.evaluate((hash) => (location.hash = hash), `#${room}/7`);
  await alice.reads('This message isn’t here.');
  await alice.say('one');
  await alice.hears('one');
  await alice.page.evaluate((hash) => (location.hash = hash), `#${room}/99999`);
  await alice.reads('This message isn’t here.');
  await alice.hears('one');
});

test('a link to a message is followed also when the server asks to wait a little', async () => {
  const alice = await somebody();
  alice.expected.push(/status of 429/);
  const program = await Program.signIn(scene.server, `program${(made += 1)}`);
  const room = roomName();
  await create(alice, room);
  for (let n = 1; n <= 250; n += 1) await program.call(`/rooms/${room}/messages`, { message: `number ${n}` });
  await alice.hears('number 250');
  let refusals = 2;
  await alice.page.route(`**/rooms/${room}/messages?*`, (route) => {
    refusals -= 1;
    if (refusals < 0) return route.continue();
    return route.fulfill({ status: 429, contentType: 'application/json', headers: { 'Retry-After': '1' }, body: JSON.stringify({ code: 'rate_limited', message: 'Slow down.' }) });
  });
  await alice.page.evaluate((hash) => (location.hash = hash), `#${room}/9`);
  await alice.page.locator('.said.pointed', { hasText: 'number 9' }).waitFor();
  await alice.reads('To the newest');
});

test('leaving a room can be undone; what waits there is asked about', async () => {
  const alice = await somebody();
  const room = roomName();
  await create(alice, room);
  await alice.say('before');
  await alice.hears('before');
  await alice.write('a draft');
  await alice.page.getByRole('button', { name: `Leave ${room}` }).press('Enter');
  await isIn(alice, 'lobby');
  await alice.reads(`You left ${room}.`);
  // One goes on writing; the way back is there.
  await alice.isOn('text');
  await alice.picture('left-room');
  await alice.click('Undo');
  await isIn(alice, room);
  await alice.hears('before');
  assert.equal(await alice.page.locator('#text').inputValue(), 'a draft');
  await alice.page.getByText('You left').waitFor({ state: 'hidden' });
  await alice.write('');

  alice.expected.push(...NETWORK);
  await alice.page.route('**/ws-ticket', (route) => route.abort());
  await scene.server.comesBack();
  await alice.cutOff();
  await alice.say('in vain');
  await alice.reads('Waiting to be sent');
  const leave = alice.page.getByRole('button', { name: `Leave ${room}` });
  await leave.click();
  const question = alice.page.getByRole('alertdialog', { name: 'One message is not sent yet.' });
  await question.waitFor();
  await alice.isOn('part-no');
  await alice.picture('part-question');
  await alice.press('Escape');
  await question.waitFor({ state: 'hidden' });
  await alice.isOn('leave-room');
  await leave.click();
  await alice.isOn('part-no');
  await alice.press('Enter');
  await question.waitFor({ state: 'hidden' });
  await alice.isOn('leave-room');
  await leave.click();
  await alice.click('Delete and leave');
  await alice.page.getByRole('heading', { level: 1, name: 'lobby' }).waitFor();
  assert.equal(await alice.page.locator(`#rooms a[href="#${room}"]`).count(), 0);
  await alice.page.unroute('**/ws-ticket');
  await alice.comesBack();
});

test('the way back in the browser is the way back through the rooms', async () => {
  const alice = await somebody();
  const room = roomName();
  await create(alice, room);
  await alice.page.locator('#rooms a[href="#lobby"]').click();
  await isIn(alice, 'lobby');
  await alice.page.goBack();
  await isIn(alice, room);
});

test('somebody is found among many', async () => {
  const alice = await somebody();
  const room = roomName();
  await create(alice, room);
  const crowd = [];
  for (let n = 0; n < 14; n += 1) {
    const program = await Program.signIn(scene.server, `crowd_${made}_${String.fromCharCode(97 + n)}`);
    crowd.push(await program.join(room));
  }
  await alice.page.waitForFunction(() => document.querySelector('#people-count').textContent === '15');
  await alice.page.getByRole('searchbox', { name: 'Find somebody' }).fill('_C');
  await alice.sees(`crowd_${made}_c`);
  await alice.page.keyboard.press('Escape');
  await eventually(async () => assert.equal((await alice.people()).length, 15));
  assert.equal((await alice.people())[0], alice.name, 'the reader first');
  for (const socket of crowd) socket.close();
});

test('on a phone the rooms lie in a drawer that a choice closes', async () => {
  const alice = await somebody({ size: [360, 740], hasTouch: true, isMobile: true });
  const room = roomName();
  await alice.openMenu();
  await alice.page.getByRole('button', { name: 'Find or create a room' }).click();
  await alice.page.getByRole('combobox', { name: 'Find or create a room' }).fill(room);
  await alice.page.getByRole('button', { name: `Create “${room}”` }).click();
  await isIn(alice, room);
  await alice.openMenu();
  await alice.picture('phone-rooms');
  await alice.fits('the drawer');
  await alice.page.locator('#rooms a[href="#lobby"]').click();
  await isIn(alice, 'lobby');
  await alice.page.locator('#scrim').waitFor({ state: 'hidden' });
});

test('each room has a draft of its own, which a reload keeps and signing out asks about', async () => {
  const alice = await somebody();
  const field = alice.composer;
  const isWriting = (text) => alice.page.waitForFunction((wanted) => document.getElementById('text').value === wanted, text);
  const to = async (room) => {
    await alice.page.locator(`#rooms a[href="#${room}"]`).click();
    await isIn(alice, room);
  };
  const room = roomName();
  await alice.write('half a thought');
  await create(alice, room);
  await isWriting('');
  await alice.page.getByRole('link', { name: 'lobby a draft', exact: true }).waitFor();
  await alice.write('another\nin two lines');
  await to('lobby');
  await isWriting('half a thought');
  await alice.picture('draft');
  await to(room);
  await isWriting('another\nin two lines');
  await alice.page.reload();
  await isIn(alice, room);
  await isWriting('another\nin two lines');
  await to('lobby');
  await isWriting('half a thought');
  await field.press('Enter');
  await alice.hears('half a thought');
  await isWriting('');
  await to(room);
  await to('lobby');
  await isWriting('');
  // What is sent is no draft any more, what is not is asked about.
  await alice.signOut();
  await alice.reads(`A draft is not sent yet. It is in ${room}.`);
  await alice.click('Stay');
  await to(room);
  await isWriting('another\nin two lines');
  await alice.write('');
  await alice.signOut();
  await alice.page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
  // The same person finds their rooms again, and nobody else does.
  await alice.signIn(alice.name);
  await isIn(alice, room);
  await alice.page.locator('#rooms a[href="#lobby"]').waitFor();
  await alice.signOut();
  await alice.page.evaluate(() => history.replaceState(null, '', '#lobby'));
  await alice.register(`other${(made += 1)}`);
  await isIn(alice, 'lobby');
  assert.equal(await alice.page.locator('#rooms a').count(), 1);
});

test('on a phone the button of the drawer tells what is new elsewhere, and when it is for oneself', async () => {
  const alice = await somebody({ size: [360, 740], hasTouch: true, isMobile: true });
  const room = roomName();
  const program = await Program.signIn(scene.server, `program${(made += 1)}`);
  await program.call('/rooms', { room });
  await alice.page.goto(`${scene.server.url}#${room}`);
  await isIn(alice, room);
  await alice.page.goto(`${scene.server.url}#lobby`);
  await isIn(alice, 'lobby');
  const say = (text) => program.call(`/rooms/${room}/messages`, { message: text });
  await say('to everybody');
  await alice.page.getByRole('button', { name: 'Rooms and account 1 unread', exact: true }).waitFor();
  assert.equal(await alice.page.locator('#menu-news').textContent(), '1');
  await say(`to @${alice.name}`);
  await alice.page.getByRole('button', { name: 'Rooms and account 2 unread, one names you', exact: true }).waitFor();
  assert.equal(await alice.page.locator('#menu-news').textContent(), '@2');
  await alice.picture('phone-news');
  await alice.openMenu();
  await alice.page.getByRole('link', { name: `${room} 2 unread, one names you`, exact: true }).waitFor();
  await alice.picture('phone-news-menu');
  await alice.fits('the drawer with marks');
  await alice.page.locator(`#rooms a[href="#${room}"]`).click();
  await isIn(alice, room);
  await alice.page.getByRole('button', { name: 'Rooms and account', exact: true }).waitFor();
});

test('the way back in the browser closes what lies over the room first', async () => {
  const alice = await somebody({ size: [360, 740], hasTouch: true, isMobile: true });
  const room = roomName();
  const program = await Program.signIn(scene.server, `program${(made += 1)}`);
  await program.call('/rooms', { room });
  await alice.page.evaluate((hash) => (location.hash = hash), `#${room}`);
  await isIn(alice, room);
  const closes = async (open, what) => {
    await open();
    await what.waitFor();
    await alice.page.goBack();
    await what.waitFor({ state: 'hidden' });
    await isIn(alice, room);
  };
  const menu = () => alice.openMenu();
  await closes(menu, alice.page.locator('#scrim'));
  await closes(() => alice.page.locator('#open-people').click(), alice.page.locator('#scrim'));
  await closes(async () => {
    await menu();
    await alice.click('Change password');
  }, alice.page.locator('#password-dialog'));
  await closes(async () => {
    await menu();
    await alice.click('Find or create a room');
  }, alice.page.locator('#jump'));
  // What was closed by other means, or by a choice, leaves nothing behind on the way.
  await menu();
  await alice.press('Escape');
  await alice.page.locator('#scrim').waitFor({ state: 'hidden' });
  await alice.isInTheRoom();
  await menu();
  await alice.page.locator('#rooms a[href="#lobby"]').click();
  await isIn(alice, 'lobby');
  await alice.page.goBack();
  await isIn(alice, room);
  await alice.page.goBack();
  await isIn(alice, 'lobby');
});

test('a link that is opened before signing in says where it leads', async () => {
  const alice = await scene.somebody({}, '#garden-party');
  await alice.reads('Sign in to open #garden-party.');
  await alice.click('Create an account');
  await alice.reads('A name and a password, nothing else.');
  alice.expected.push(/status of 404/);
  await alice.fill(`person${(made += 1)}`);
  await alice.click('Create account');
  await alice.reads('There is no room of this name.');
  await alice.signOut();
  await alice.reads('Sign in to join the conversation.');
});

test('with many rooms only their list scrolls; on a low screen the account is folded behind one’s name', async () => {
  const alice = await somebody({ size: [900, 700] });
  const program = await Program.signIn(scene.server, `program${(made += 1)}`);
  const rooms = Array.from({ length: 18 }, () => roomName());
  for (const room of rooms) {
    await program.call('/rooms', { room });
    await alice.page.evaluate((hash) => (location.hash = hash), `#${room}`);
    await isIn(alice, room);
  }
  const signOut = alice.page.getByRole('button', { name: 'Sign out' });
  const inWindow = (locator) => locator.evaluate((element) => element.getBoundingClientRect().bottom <= innerHeight && element.getBoundingClientRect().top >= 0);
  assert.ok(await inWindow(signOut));
  assert.ok(await alice.page.locator('#rooms').evaluate((list) => list.scrollHeight > list.clientHeight));
  assert.ok(await alice.page.locator('#menu').evaluate((menu) => menu.scrollHeight <= menu.clientHeight));
  assert.ok(await inWindow(alice.page.locator('#rooms [aria-current="page"]')), 'the room one is in is in sight');
  await alice.picture('many-rooms');
  await alice.page.setViewportSize({ width: 900, height: 600 });
  await signOut.waitFor({ state: 'hidden' });
  assert.ok(await inWindow(alice.page.locator('#me')));
  await alice.picture('many-rooms-low');
  await alice.page.locator('#me').press('Enter');
  await signOut.waitFor();
  assert.ok(await inWindow(signOut));
  await alice.picture('many-rooms-low-open');
});
