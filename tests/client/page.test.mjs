// The page's files as they are served: nothing inline, every module announced, nothing from elsewhere.
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

/** Every module that main.js reaches, itself included. */
async function reached(file, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = (await read(file)).replace(/\/\*[^]*?\*\//g, '');
  for (const [, path] of text.matchAll(/from '(\.[^']+)'/g)) await reached(join(dirname(file), path), seen);
  return seen;
}

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

test('no text goes over a line’s end, so that the server can leave out lines of comment', async () => {
  for (const file of files.filter((name) => name.endsWith('.js'))) {
    for (const line of (await read(file)).split('\n').filter((text) => !/^\s*(\/?\*|\/\/)/.test(text))) {
      assert.equal(line.replaceAll(/\\./g, '').split('`').length % 2, 1, `${file}: ${line}`);
      assert.doesNotMatch(line, /\\$/, `${file}: ${line}`);
    }
  }
});

test('every module is preloaded, and nothing is that is not there', async () => {
  const html = await read('index.html');
  const preloaded = [...html.matchAll(/rel="modulepreload" href="([^"]+)"/g)].map(([, href]) => href).sort();
  const needed = [...(await reached('main.js'))].filter((file) => file !== 'main.js').sort();
  assert.deepEqual(preloaded, needed);
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
