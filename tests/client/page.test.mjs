// The page's files as they are served: nothing inline, every module announced when it is needed and not
// before, nothing from elsewhere.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const CLIENT = resolve(dirname(fileURLToPath(import.meta.url)), '../../client');
const files = (await readdir(CLIENT, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => relative(CLIENT, join(entry.parentPath ?? entry.path, entry.name)));
const read = (file) => readFile(join(CLIENT, file), 'utf8');

const code = async (file) => (await read(file)).replace(/\/\*[^]*?\*\//g, '');

/** Every module that one cannot run without, itself included. */
async function reached(file, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, path] of (await code(file)).matchAll(/(?:from|^import) '(\.[^']+)'/gm)) await reached(join(dirname(file), path), seen);
  return seen;
}

/** Those that it loads when it needs them. */
async function loadedLater(files) {
  const found = [];
  for (const file of files) for (const [, path] of (await code(file)).matchAll(/\bimport\('([^']+)'\)/g)) found.push(join(dirname(file), path));
  return found.sort();
}

const entrance = await reached('main.js');
const chat = await reached('chat.js');

test('the page has nothing inline, so the policy needs no exception', async () => {
  const html = await read('index.html');
  assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/);
  assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|javascript:/i);
  for (const file of files.filter((name) => name.endsWith('.svg'))) assert.doesNotMatch(await read(file), /<script|style=/);
});

test('the code puts no markup on the page and evaluates nothing', async () => {
  for (const file of files.filter((name) => name.endsWith('.js'))) {
    assert.doesNotMatch(await read(file), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style'/, file);
  }
});

test('no text goes over a line’s end or looks like a type, so that the server can leave out comments', async () => {
  for (const file of files.filter((name) => name.endsWith('.js'))) {
    for (const line of (await read(file)).split('\n').filter((text) => !/^\s*(\/?\*|\/\/)/.test(text))) {
      assert.equal(line.replaceAll(/\\./g, '').split('`').length % 2, 1, `${file}: ${line}`);
      assert.doesNotMatch(line, /\\$/, `${file}: ${line}`);
      const [before, ...typed] = line.split('/** @');
      for (const quote of typed.length > 0 ? ["'", '"', '`'] : []) assert.equal(before.split(quote).length % 2, 1, `${file}: ${line}`);
    }
  }
});

test('the page announces every module of the entrance, and no other', async () => {
  const html = await read('index.html');
  const preloaded = [...html.matchAll(/rel="modulepreload" href="([^"]+)"/g)].map(([, href]) => href).sort();
  assert.deepEqual(preloaded, [...entrance].filter((file) => file !== 'main.js').sort());
});

test('early.js announces every module of the chat that the entrance has not, and no other', async () => {
  const names = (await read('early.js')).match(/const CHAT = '([^']+)'/)[1].split(' ');
  assert.deepEqual(names.map((name) => `${name}.js`).sort(), [...chat].filter((file) => !entrance.has(file)).sort());
});

test('what is loaded later is not loaded before, and everything is loaded by somebody', async () => {
  assert.deepEqual(await loadedLater(entrance), ['chat.js']);
  assert.deepEqual(await loadedLater([...chat].filter((file) => !entrance.has(file))), ['parts.js']);
  const parts = await loadedLater(['parts.js']);
  assert.deepEqual(parts, ['finding.js', 'notifier.js', 'password.js', 'unsent.js', 'view/actions.js', 'view/jump.js', 'view/keys.js', 'view/mention-picker.js', 'view/password.js', 'view/people-search.js', 'view/spoken.js']);
  for (const part of parts) assert.ok(!chat.has(part), part);
  const all = new Set([...entrance, ...chat, 'early.js', 'parts.js']);
  for (const part of parts) await reached(part, all);
  assert.deepEqual([...all].sort(), files.filter((name) => name.endsWith('.js')).sort());
});

test('the icon in the page is the file of that name', async () => {
  const [, icon] = (await read('index.html')).match(/<link rel="icon" href="data:image\/svg\+xml,([^"]+)"/);
  assert.equal(decodeURIComponent(icon).replaceAll("'", '"'), (await read('favicon.svg')).trim());
});

test('the sdk knows nothing of the page', async () => {
  for (const file of await reached('sdk/chorus.js')) {
    assert.match(file, /^sdk\//);
    assert.doesNotMatch((await read(file)).replace(/\/\*[^]*?\*\//g, ''), /\b(document|window|localStorage|navigator)\b/, file);
  }
});

test('nothing is loaded from anywhere else', async () => {
  for (const file of files) {
    const hosts = [...(await read(file)).matchAll(/https?:\/\/([^\s'"/`]+)/g)].map(([, host]) => host);
    for (const host of hosts) assert.match(host, /^(www\.w3\.org|localhost:8080|chat\.example\.org)$/, `${file}: ${host}`);
  }
});

test('every style is a part of the page’s, or loaded later', async () => {
  const parts = [...(await read('styles/page.css')).matchAll(/@import '([^']+)'/g)].map(([, name]) => `styles/${name}`);
  const later = [...(await code('parts.js')).matchAll(/\bstyle\('([^']+)'\)/g)].map(([, path]) => path);
  assert.deepEqual([...parts, ...later, 'styles/page.css'].sort(), files.filter((name) => name.endsWith('.css')).sort());
});
