// The page's files as they are served: nothing inline, every module announced, nothing from elsewhere,
// and every colour readable on what it stands on.
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

// ---- contrast ----

/** OKLCH → linear sRGB → WCAG luminance, after https://bottosson.github.io/posts/oklab/ and WCAG 2.2. */
function luminance([lightness, chroma, hue]) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const rgb = [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s, -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s];
  const [red, green, blue] = rgb.map((value) => Math.min(1, Math.max(0, value)));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one, other) {
  const [bright, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (bright + 0.05) / (dark + 0.05);
}

const tokens = Object.fromEntries(
  [...(await read('styles/tokens.css')).matchAll(/--([a-z-]+): light-dark\(oklch\(([^)]+)\), oklch\(([^)]+)\)\)/g)].map(([, name, light, dark]) => [
    name,
    { light: light.split(' ').map(Number), dark: dark.split(' ').map(Number) },
  ]),
);

/** Text, and on what it stands. */
const TEXT = [
  ...['text', 'muted', 'accent', 'warn', 'bad'].flatMap((name) => [[name, 'bg']]),
  ['text', 'side'], ['muted', 'side'], ['bad', 'raised'], ['text', 'raised'], ['muted', 'raised'], ['on-accent', 'accent'], ['text', 'mention'], ['accent', 'raised'], ['bg', 'bad'],
];
/** What must be seen to be used. */
const SIGNS = ['control', 'focus'].flatMap((name) => [[name, 'bg'], [name, 'raised'], [name, 'side']]);

for (const theme of ['light', 'dark']) {
  test(`text is readable and controls are visible in the ${theme} theme`, () => {
    for (const [name, ground] of TEXT) {
      const ratio = contrast(tokens[name][theme], tokens[ground][theme]);
      assert.ok(ratio >= 4.9, `${name} on ${ground}: ${ratio.toFixed(2)}`);
    }
    for (const [name, ground] of SIGNS) {
      const ratio = contrast(tokens[name][theme], tokens[ground][theme]);
      assert.ok(ratio >= 3.1, `${name} on ${ground}: ${ratio.toFixed(2)}`);
    }
  });
}

test('names and initials are readable in every hue', async () => {
  const css = await read('styles/components.css');
  const pair = (text) => [...text.matchAll(/oklch\(([\d.]+) ([\d.]+) var\(--hue\)\)/g)].map(([, l, c]) => [Number(l), Number(c)]);
  const rule = (name) => css.slice(css.indexOf(`\n${name} {`), css.indexOf('}', css.indexOf(`\n${name} {`)));
  const [nameLight, nameDark] = pair(rule('.who .name'));
  const [groundLight, groundDark, markLight, markDark] = pair(rule('.avatar'));
  for (let hue = 0; hue < 360; hue += 5) {
    for (const [text, ground] of [[[...nameLight, hue], tokens.bg.light], [[...nameDark, hue], tokens.bg.dark], [[...markLight, hue], [...groundLight, hue]], [[...markDark, hue], [...groundDark, hue]]]) {
      const ratio = contrast(text, ground);
      assert.ok(ratio >= 4.9, `hue ${hue}: ${text} on ${ground}: ${ratio.toFixed(2)}`);
    }
  }
});
