// What the sdk says of itself: its declarations are those of its code, a strict TypeScript program can
// use them, and docs/sdk.md leaves nothing out.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Chorus } from '../../client/sdk/chorus.js';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const SDK = join(ROOT, 'client/sdk');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

let folder;
before(async () => (folder = await mkdtemp(join(tmpdir(), 'chorus-types-'))));
after(() => rm(folder, { recursive: true, force: true }));

/** What the compiler complains of. */
function tsc(...options) {
  return new Promise((done) => execFile(process.execPath, [TSC, ...options], { cwd: folder }, (error, stdout, stderr) => done(error ? stdout + stderr || String(error) : '')));
}

test('the declarations are those of the code', async () => {
  const fresh = join(folder, 'fresh');
  assert.equal(await tsc('--project', join(ROOT, 'tsconfig.types.json'), '--outDir', fresh), '');
  const made = (await readdir(fresh)).sort();
  assert.deepEqual((await readdir(join(SDK, 'types'))).sort(), made, 'run `npm run types`, and delete those that are no more');
  for (const file of made) {
    assert.equal(await readFile(join(SDK, 'types', file), 'utf8'), await readFile(join(fresh, file), 'utf8'), `${file}: run \`npm run types\``);
  }
});

const CONSUMER = `
import { Chorus, ChorusError, type History, type Message, type Receipt } from 'chorus-sdk';
import { Chorus as FromServer } from 'https://chat.example.org/sdk/chorus.js';

const chorus: Chorus = new Chorus({ url: 'https://chat.example.org', storage: localStorage, onSession: ({ token }) => localStorage.setItem('token', token) });
const same: Chorus = new FromServer({ url: 'https://chat.example.org', WebSocket, fetch, getToken: async () => null });
const seen: number[] = [];
const stop: () => void = chorus.on('message', ({ room, seq, message }) => {
  seen.push(seq);
  void chorus.send(room, message.toUpperCase(), { id: \`again-\${seq}\` });
});
chorus.on('history', (history: History) => history.messages.forEach((line: Message) => seen.push(line.seq)));
chorus.on('status', ({ state, retryInMs }) => {
  if (state === 'waiting' && retryInMs !== null && retryInMs > 5_000) chorus.reconnectNow();
});
export async function main(): Promise<Receipt | null> {
  const { expiresAt } = await chorus.signIn('robin', 'correct horse');
  chorus.join(expiresAt);
  const { messages, hasMore } = await chorus.history('lobby', { before: 10, limit: 5 });
  if (hasMore && messages.length > chorus.limits.resume) stop();
  try {
    return await same.send('lobby', 'Hello');
  } catch (cause) {
    if (cause instanceof ChorusError && cause.code === 'rate_limited') return null;
    throw cause;
  }
}
// @ts-expect-error there is no such event
chorus.on('massage', () => {});
// @ts-expect-error a message is text
void chorus.send('lobby', 42);
// @ts-expect-error the server must be named
new Chorus({});
`;

test('a strict TypeScript program can use them, as a package and from a server’s address', async () => {
  await mkdir(join(folder, 'node_modules'));
  await symlink(SDK, join(folder, 'node_modules/chorus-sdk'));
  await writeFile(join(folder, 'consumer.ts'), CONSUMER);
  const paths = { 'https://chat.example.org/sdk/chorus.js': [join(SDK, 'types/chorus.d.ts')] };
  for (const [module, moduleResolution] of [['ES2022', 'bundler'], ['NodeNext', 'NodeNext']]) {
    const compilerOptions = { target: 'ES2022', module, moduleResolution, lib: ['ES2022', 'DOM'], types: [], strict: true, exactOptionalPropertyTypes: true, noUnusedLocals: true, noEmit: true, paths };
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    assert.equal(await tsc('--project', join(folder, 'tsconfig.json')), '', moduleResolution);
  }
});

test('docs/sdk.md tells of every method, option, event and own code', async () => {
  const docs = await readFile(join(ROOT, 'docs/sdk.md'), 'utf8');
  const types = await readFile(join(SDK, 'types/chorus.d.ts'), 'utf8');
  const members = Object.getOwnPropertyNames(Chorus.prototype).filter((name) => name !== 'constructor');
  for (const name of members) assert.match(docs, new RegExp(`\`${name}[\`(]`), name);
  const fieldsOf = (type) => [...types.match(new RegExp(`type ${type} = \\{([^]*?)\\n\\};`))[1].matchAll(/^ {4}(\w+)\??:/gm)].map(([, name]) => name);
  for (const name of [...fieldsOf('ChorusOptions'), ...fieldsOf('ChorusEvents')]) assert.match(docs, new RegExp(`\`${name}\``), name);
  assert.ok(fieldsOf('ChorusEvents').length >= 12 && fieldsOf('ChorusOptions').length >= 8 && members.length >= 15);
  const files = (await readdir(SDK)).filter((file) => file.endsWith('.js'));
  const code = (await Promise.all(files.map((file) => readFile(join(SDK, file), 'utf8')))).join('');
  const codes = [...code.matchAll(/new ChorusError\('(\w+)'/g)].map(([, name]) => name);
  assert.ok(codes.length > 5);
  // A hole is read or the socket left: nobody outside ever gets this one.
  for (const name of codes.filter((other) => other !== 'hole')) assert.match(docs, new RegExp(`\`${name}\``), name);
});
