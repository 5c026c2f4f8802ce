// The sdk where it is not at home: pages of other origins, and programs without a WebSocket.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chorus } from '../../client/sdk/chorus.js';
import { refusal, World } from './world.mjs';

/** A browser's fetch from a page of an origin that the server may or may not name. */
function browserFetch({ reachable = true, allowed }) {
  const calls = [];
  const fetch = async (url, { mode = 'cors' } = {}) => {
    calls.push(`${mode} ${new URL(url).pathname}`);
    if (!reachable || (mode === 'cors' && !allowed())) throw new TypeError('Failed to fetch');
    // An opaque response, as far as anybody can see it.
    return mode === 'no-cors' ? { type: 'opaque' } : refusal(401, 'invalid_credentials');
  };
  return { fetch, calls };
}

const failure = (fetch) => new World().chorus({ fetch }).chorus.signIn('alice', 'a good password').then(() => assert.fail(), ({ code, message }) => ({ code, message }));

test('a server that does not name this page’s origin is told from one that is not there', async () => {
  const { code, message } = await failure(browserFetch({ allowed: () => false }).fetch);
  assert.equal(code, 'forbidden_origin');
  assert.match(message, /ALLOWED_ORIGINS/);
  assert.equal((await failure(browserFetch({ reachable: false, allowed: () => false }).fetch)).code, 'network');
  assert.equal((await failure(browserFetch({ allowed: () => true }).fetch)).code, 'invalid_credentials');
});

test('a server that comes back just while it is asked for the cause forbids nothing', async () => {
  let failures = 1;
  const { fetch } = browserFetch({ allowed: () => (failures -= 1) < 0 });
  assert.equal((await failure(fetch)).code, 'network');
});

test('once something was answered, a failure is the network’s and nobody is asked why', async () => {
  let there = true;
  const { fetch, calls } = browserFetch({ allowed: () => there });
  const { chorus } = new World().chorus({ fetch });
  await assert.rejects(chorus.signIn('alice', 'a good password'), { code: 'invalid_credentials' });
  there = false;
  await assert.rejects(chorus.signIn('alice', 'a good password'), { code: 'network' });
  assert.deepEqual(calls, ['cors /login', 'cors /login']);
});

test('without a WebSocket it says at once what to do', (t) => {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'WebSocket');
  delete globalThis.WebSocket;
  t.after(() => own && Object.defineProperty(globalThis, 'WebSocket', own));
  assert.throws(() => new Chorus({ url: 'http://server.test' }), /--experimental-websocket/);
  assert.ok(new Chorus({ url: 'http://server.test', WebSocket: class {} }));
});
