// Every state of the page, reached as people reach it, looked at in both themes, from 320 px to 1440 px.
import { after, before, describe, test } from 'node:test';
import { Crowd, NETWORK, Person, Program, Server, Wire } from './house.mjs';
import { look } from './look.mjs';
import { browser } from './scene.mjs';

const LONG_NAME = 'Ferdinand_the_one_with_the_very_long_name_of_fifty';

/** Holds back what the page asks for there, until told to let go. */
async function hold(page, path) {
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  await page.route(path, async (route) => {
    await held;
    await route.continue().catch(() => {});
  });
  return async () => {
    letGo();
    await page.unroute(path);
  };
}

describe('at the entrance', () => {
  let server, wire, alice;

  before(async () => {
    server = await Server.start();
    wire = await Wire.to(server.port);
    alice = await Person.at(browser, wire.url);
    alice.expected.push(/status of 401/, ...NETWORK);
  });
  after(async () => {
    await alice?.context.close();
    wire?.close();
    await server?.stop();
  });

  test('the entrance', async () => {
    await look(alice, 'entrance', { shows: 'Sign in to join the conversation.' });
  });

  test('a new account with mistakes, said beside the fields', async () => {
    await alice.click('Create an account');
    await look(alice, 'register', { shows: 'A name and a password, nothing else.' });
    await alice.fill('a name', 'short');
    await alice.click('Create account');
    await alice.reads('8 to 128 characters.');
    await look(alice, 'register-mistakes', { shows: 'a–z, 0–9 and _ only.' });
    await alice.click('Sign in');
    await alice.reads('Sign in to join the conversation.');
  });

  test('a wrong password', async () => {
    await alice.fill('nobody_here', 'not the password');
    await alice.click('Sign in');
    await look(alice, 'wrong-password', { shows: 'Wrong name or password.' });
  });

  test('a slow network: one sees that it goes on', async () => {
    const letGo = await hold(alice.page, '**/login');
    await alice.click('Sign in');
    await look(alice, 'slow', { shows: 'Signing in', widths: [1440] });
    await letGo();
    await alice.reads('Wrong name or password.');
  });

  test('a server that cannot be reached', async () => {
    wire.cut();
    await alice.click('Sign in');
    await look(alice, 'unreachable', { shows: 'The server can’t be reached.' });
    alice.hadNothingToComplainOf();
  });
});

test('closed registration and demo accounts', async () => {
  const server = await Server.start({ DEMO_ACCOUNTS: 'true', REGISTRATION: 'closed' });
  try {
    const guest = await Person.at(browser, server.url);
    await guest.page.locator('#entrance-switch').waitFor({ state: 'hidden' });
    await look(guest, 'closed-and-demo', { shows: 'Only looking around?' });
    guest.hadNothingToComplainOf();
    await guest.context.close();
  } finally {
    await server.stop();
  }
});

test('too many windows', async () => {
  const server = await Server.start({ MAX_SOCKETS_PER_USER: '1' });
  try {
    const alice = await Person.at(browser, server.url);
    await alice.register('alice');
    const second = await Person.at(browser, server.url, { context: alice.context });
    second.expected.push(...NETWORK, /status of 429/);
    await second.cutOff();
    await look(second, 'too-many-windows', { shows: /^Too many windows\. Again/ });
    await alice.page.close();
    await second.comesBack();
    await second.context.close();
  } finally {
    await server.stop();
  }
});

describe('in a room', () => {
  let server, wire, alice, bob;

  before(async () => {
    server = await Server.start({ MESSAGE_LIMIT: '10000', PING_SECONDS: '600' });
    wire = await Wire.to(server.port);
    alice = await Person.at(browser, wire.url);
    // 503: from a server that has only just started again.
    alice.expected.push(...NETWORK, /status of 503/);
  });
  after(async () => {
    await alice?.context.close();
    wire?.close();
    await server?.stop();
  });

  test('loading', async () => {
    const letGo = await hold(alice.page, '**/ws-ticket');
    await alice.click('Create an account');
    await alice.fill('alice');
    await alice.click('Create account');
    await look(alice, 'loading', { shows: 'Connecting' });
    await letGo();
    await alice.comesBack();
  });

  test('an empty room', async () => {
    await look(alice, 'empty', { shows: 'You’re the first here.' });
  });

  test('the first message', async () => {
    await alice.say('Hello? Is anybody here?');
    await alice.hears('Hello? Is anybody here?');
    await look(alice, 'first-message', { shows: 'Hello? Is anybody here?' });
  });

  test('somebody came, and is typing', async () => {
    bob = await Program.signIn(server, 'bob');
    await bob.enter();
    await alice.reads('bob joined');
    await bob.say('Yes, since this morning.');
    await bob.say('The coffee is in the kitchen, the good cups are on the left.');
    await alice.say('Coming!');
    await alice.hears('Coming!');
    await bob.types();
    await alice.reads('bob is typing');
    await look(alice, 'talk', { shows: 'Coming!' });
  });

  test('the longest names', async () => {
    const ferdinand = await Program.signIn(server, LONG_NAME);
    await ferdinand.enter();
    await ferdinand.say('My name is a little long.');
    await alice.hears('My name is a little long.');
    await ferdinand.types();
    // Maybe bob still is, too.
    await alice.reads(new RegExp(`${LONG_NAME}.* typing`));
    await look(alice, 'long-name', { shows: 'My name is a little long.' });
    ferdinand.leave();
    // Else the next line of those who came and went would tell of it.
    await alice.sees('alice', 'bob');
  });

  test('the longest name of a room', async () => {
    const room = 'the-room-with-the-very-long-name-of-fifty-letters-';
    await bob.call('/rooms', { room });
    await alice.page.evaluate((hash) => (location.hash = hash), room);
    await alice.reads('You’re the first here.');
    await look(alice, 'long-room-name', { shows: 'Connected' });
    await alice.page.setViewportSize({ width: 360, height: 740 });
    await alice.openMenu();
    await look(alice, 'long-room-name-menu', { shows: 'Sign out', widths: [360] });
    await alice.press('Escape');
    await alice.page.setViewportSize({ width: 1440, height: 900 });
    await alice.page.getByRole('button', { name: `Leave ${room}` }).click();
    await alice.hears('My name is a little long.');
  });

  test('500 characters without a space', async () => {
    await bob.say('W'.repeat(500));
    await bob.say(`https://example.org/${'path/'.repeat(96)}`);
    await alice.hears('W'.repeat(500));
    await look(alice, 'without-spaces', { shows: 'WWWWW' });
  });

  test('from right to left, emoji only, and code', async () => {
    await bob.say('שלום לכולם, מה שלומכם היום?');
    await bob.say('مرحبا بالجميع، كيف حالكم؟');
    await bob.say('👍🏽🎉👨‍👩‍👧‍👦');
    await bob.say('fn main() {\n    let answer = 42;\n\n    println!("{answer}");\n}');
    await bob.say('Try `cargo run`, then:\n```\ncurl -s http://localhost:8080/health | jq .status\n```');
    await alice.reads('cargo run');
    await look(alice, 'scripts-and-code', { shows: 'cargo run' });
  });

  test('a message near its limit, and one over it', async () => {
    await alice.write('word '.repeat(93));
    await alice.reads('36 left');
    await look(alice, 'near-the-limit', { shows: '36 left' });
    await alice.write('word '.repeat(102));
    await look(alice, 'over-the-limit', { shows: '9 characters too many' });
    await alice.write('');
  });

  test('forty people come, one after the other, and the line stays one', async () => {
    const crowd = await Crowd.of(server, Array.from({ length: 40 }, (_, index) => `visitor_${index + 1}`));
    await crowd.enter();
    await alice.reads(/ and 38 others joined/);
    await look(alice, 'forty-came', { shows: '38 others joined' });
    crowd.leave();
    await alice.reads(/ and 38 others left/);
  });

  test('the drawers', async () => {
    await alice.page.setViewportSize({ width: 360, height: 740 });
    await alice.openMenu();
    await look(alice, 'menu', { shows: 'Sign out', widths: [360] });
    await alice.press('Escape');
    await alice.page.locator('#open-people').click();
    await look(alice, 'people', { shows: 'you', widths: [360, 768] });
    await alice.press('Escape');
    await alice.page.setViewportSize({ width: 1440, height: 900 });
  });

  test('somebody reads above, and new messages are counted', async () => {
    for (let number = 1; number <= 60; number += 1) await bob.say(`line ${number}`);
    await alice.hears('line 60');
    await alice.page.locator('#scroll').hover();
    await alice.page.mouse.wheel(0, -700);
    await alice.reads('To the newest');
    for (const text of ['three', 'new', 'ones']) await bob.say(text);
    await look(alice, 'reading-above', { shows: '3 new messages' });
    await alice.click('3 new messages');
    await alice.isAtTheNewest();
  });

  test('a window that changes its width while people talk stays at the newest', async () => {
    for (const width of [360, 1440, 768, 1100, 360, 1440]) {
      const text = `said while the window became ${width} px wide, and long enough to break on a phone`;
      await bob.say(text);
      await alice.page.setViewportSize({ width, height: 900 });
      await alice.hears(text);
      await alice.isAtTheNewest(`${width} px`);
    }
  });

  test('offline', async () => {
    wire.cut();
    await alice.context.setOffline(true);
    await look(alice, 'offline', { shows: /Offline/ });
  });

  test('messages that wait', async () => {
    await alice.say('I write this on a train');
    await alice.say('in a tunnel');
    await look(alice, 'waiting', { shows: 'Waiting to be sent' });
  });

  test('leaving while something waits', async () => {
    await alice.page.setViewportSize({ width: 360, height: 740 });
    await alice.signOut();
    await look(alice, 'leaving', { shows: '2 messages are not sent yet.', widths: [360] });
    // In a wider window the drawer is a column again, and the question still stands in it.
    await alice.page.setViewportSize({ width: 1440, height: 900 });
    await look(alice, 'leaving', { shows: '2 messages are not sent yet.', widths: [768, 1440] });
    await alice.click('Stay');
    await alice.isOn('sign-out');
    await alice.write('nothing lies over the room');
    await alice.write('');
  });

  test('back, with what was missed', async () => {
    await alice.click('Sign out');
    await alice.reads('2 messages are not sent yet.');
    for (const text of ['We found the good cups.', 'They were on the right.', 'Sorry.']) await bob.say(text);
    await alice.context.setOffline(false);
    wire.mend();
    await alice.comesBack();
    await alice.hears('in a tunnel');
    await alice.page.getByText('not sent yet').waitFor({ state: 'hidden' });
    await look(alice, 'back', { shows: 'Back. 3 messages while you were away, nothing missing.' });
  });

  test('reconnecting to a server that died', async () => {
    await server.crash();
    await alice.cutOff();
    await look(alice, 'reconnecting', { shows: /Reconnecting/ });
  });

  test('a message that the server refuses', async () => {
    await alice.say(`This was short enough when it was written. ${'Now it is too long. '.repeat(6)}`.trim());
    Object.assign(server.settings, { MESSAGE_MAX_CHARS: '100' });
    await server.run();
    await alice.comesBack();
    await alice.reads(/Not sent\./);
    await look(alice, 'refused', { shows: /Not sent\./ });
    const refused = await alice.page.locator('.refused').getAttribute('data-id');
    await alice.click('Retry');
    await alice.page.locator(`.refused:not([data-id="${refused}"])`).waitFor();
    await alice.click('Delete');
    await alice.page.locator('.refused').waitFor({ state: 'detached' });
  });

  test('a gap: away for longer than can be caught up with', async () => {
    wire.cut();
    await alice.cutOff();
    await Promise.all(Array.from({ length: 6 }, async (_, writer) => {
      for (let number = 1; number <= 200; number += 1) await bob.say(`${writer}: ${number}`);
    }));
    await alice.page.route('**/rooms/lobby/messages*', (route) => route.abort());
    wire.mend();
    await alice.comesBack();
    await alice.page.locator('#scroll').focus();
    await alice.press('Home');
    await alice.reads('Older messages could not be loaded.');
    await look(alice, 'gap', { shows: /^1,\d\d\d messages while you were away. Scroll up to read them.$/ });
    await alice.page.unroute('**/rooms/lobby/messages*');
    await alice.click('Try again');
    await alice.page.getByText('Older messages could not be loaded.').waitFor({ state: 'detached' });
  });

  test('a gap: the server’s log was restored', async () => {
    await server.comesBack({}, () => server.remember());
    await alice.comesBack();
    bob = await Program.signIn(server, 'bobby');
    await bob.say('this will never have been said');
    await alice.hears('this will never have been said');
    await server.comesBack({}, () => server.forgetWhatCameLater());
    await alice.comesBack();
    await look(alice, 'restored-log', { shows: /log was restored from an earlier state/ });
  });

  test('signed out elsewhere', async () => {
    // The page asks whether it may come back, and is told no.
    alice.expected.push(/status of 401/);
    const elsewhere = await Program.signInAgain(server, 'alice');
    await elsewhere.call('/password', { current: 'a good password', new: 'a better password' });
    await look(alice, 'signed-out', { shows: 'Your sign-in has ended.' });
  });

  test('the browser had nothing to complain of', () => {
    alice.hadNothingToComplainOf();
  });
});

test('three thousand people', async () => {
  const server = await Server.start({ MAX_SOCKETS_PER_ADDRESS: '4000', PING_SECONDS: '600' });
  const crowd = await Crowd.of(server, Array.from({ length: 3_000 }, (_, index) => `person_${String(index + 1).padStart(4, '0')}`));
  try {
    await crowd.enter();
    const alice = await Person.at(browser, server.url);
    await alice.register('alice');
    await alice.page.locator('#people-count', { hasText: '3001' }).waitFor();
    await look(alice, 'many-people', { shows: 'Connected' });
    // The list has the first of them; whoever is looked for is found all the same.
    await alice.page.getByRole('searchbox', { name: 'Find somebody' }).fill('person_2999');
    await alice.sees('person_2999');
    alice.hadNothingToComplainOf();
    await alice.context.close();
  } finally {
    crowd.leave();
    await server.stop();
  }
});
