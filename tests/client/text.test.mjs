// What stands in a message: links, code and names, and that nothing a stranger writes is lost,
// invented, dangerous or slow.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFewEmoji, mentions, parts, quotedParts } from '../../client/text.js';

/** Everything but plain text, shortly. */
const marks = (text) => parts(text).filter(({ kind }) => kind !== 'text').map(({ kind, text: shown }) => `${kind}:${shown}`);
const links = (text) => parts(text).filter(({ kind }) => kind === 'link').map(({ href }) => href);
const shown = (text) => parts(text).map((part) => part.text).join('');

/** A small repeatable source of chance (mulberry32). */
function chance(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

test('plain text stays one part', () => {
  for (const text of ['Hello', 'one\ntwo', '<b>bold</b> &amp; "quotes"', 'a ` b', '``', '```', '@', '@al', 'http://', 'https:// x', '']) {
    assert.deepEqual(parts(text).filter(({ kind }) => kind !== 'text'), [], text);
    assert.equal(shown(text), text);
  }
});

test('links are http and https, as written', () => {
  assert.deepEqual(marks('see https://example.org/a?b=c#d now'), ['link:https://example.org/a?b=c#d']);
  assert.deepEqual(marks('HTTP://Example.ORG'), ['link:HTTP://Example.ORG']);
  assert.deepEqual(links('HTTP://Example.ORG'), ['http://example.org/']);
  assert.deepEqual(marks('http://localhost:3000/x and https://[::1]:80/'), ['link:http://localhost:3000/x', 'link:https://[::1]:80/']);
  for (const text of ['javascript:alert(1)', 'data:text/html,x', 'vbscript:x', 'file:///etc/passwd', 'ftp://example.org', 'xhttp://example.org', 'éhttps://example.org', '//example.org', 'http:/example.org', 'https://', 'http://..', 'http://%']) {
    assert.deepEqual(links(text), [], text);
  }
});

test('a link that shows another host than it opens is none', () => {
  assert.deepEqual(links('https://example.org@evil.test/'), []);
  assert.deepEqual(links('https://user:secret@example.org/'), []);
  // Characters that turn the reading direction end it.
  assert.deepEqual(links('https://example.org/\u202Egro.live'), ['https://example.org/']);
  assert.deepEqual(links('https://example.org\\@evil.test'), ['https://example.org/']);
});

test('a link ends where the sentence goes on', () => {
  const cases = {
    'https://example.org.': 'https://example.org',
    'https://example.org/a, and': 'https://example.org/a',
    '(https://example.org/a)': 'https://example.org/a',
    '(see https://example.org/a).': 'https://example.org/a',
    'https://example.org/a_(b)': 'https://example.org/a_(b)',
    '(https://example.org/a_(b))': 'https://example.org/a_(b)',
    'https://example.org/a_(b).': 'https://example.org/a_(b)',
    '[https://example.org/?x[]=1]': 'https://example.org/?x[]=1',
    'https://example.org/?q={a}': 'https://example.org/?q={a}',
    '<https://example.org/>': 'https://example.org/',
    '"https://example.org/"': 'https://example.org/',
    '“https://example.org/”': 'https://example.org/',
    'https://example.org/a!?': 'https://example.org/a',
    '**https://example.org/**': 'https://example.org/',
    'https://example.org/。はい': 'https://example.org/',
    'https://example.org/日本': 'https://example.org/日本',
    'https://example.org/a\nb': 'https://example.org/a',
  };
  for (const [text, link] of Object.entries(cases)) {
    assert.deepEqual(marks(text), [`link:${link}`], text);
    assert.equal(shown(text), text);
  }
});

test('what begins with www. is a link, where it is a host', () => {
  assert.deepEqual(links('see www.example.org/a?b=c, now'), ['https://www.example.org/a?b=c']);
  assert.deepEqual(marks('(WWW.Example.org/a_(b)).'), ['link:WWW.Example.org/a_(b)']);
  assert.deepEqual(marks('www.example.org... and www.müller.de!'), ['link:www.example.org', 'link:www.müller.de']);
  for (const text of ['www.', 'www.example', 'www...org', 'www.example.', 'awww.example.org', 'x/www.example.org', '-www.example.org', 'www. example.org', 'www.example.org@evil.test', 'www.a:b@example.org', 'www.example\\.org']) {
    assert.deepEqual(links(text), [], text);
    assert.equal(shown(text), text);
  }
});

test('a mail address is a link of its own kind, and ends where the sentence goes on', () => {
  const cases = {
    'write to bob.x+y@mail.example.org, please': 'bob.x+y@mail.example.org',
    'bob@example.org.': 'bob@example.org',
    '<bob@example.org>': 'bob@example.org',
    'mailto:bob@example.org?subject=x': 'bob@example.org',
    '(bob-2@example.co.uk)': 'bob-2@example.co.uk',
  };
  for (const [text, address] of Object.entries(cases)) {
    assert.deepEqual(parts(text).filter(({ kind }) => kind === 'link').map(({ text: its, href }) => [its, href]), [[address, `mailto:${address}`]], text);
    assert.equal(shown(text), text);
  }
  for (const text of ['bob@', 'bob@host', 'bob@-a.org', 'bob.@example.org', '@bob@example.org', 'a@b.co@c.org', 'é@example.org', 'bob@example.orgé', 'http://x@example.org', 'ftp://bob@example.org', 'https://example.org/?q=bob@example.org']) {
    assert.deepEqual(links(text).filter((href) => href.startsWith('mailto:')), [], text);
  }
});

test('lines that begin with > are quoted, in which links and code are still such', () => {
  const found = parts('he said\n> first `line`\n> second @alice\nI say > no');
  assert.deepEqual(found.map(({ kind, text }) => [kind, text]), [['text', 'he said'], ['quote', 'first `line`'], ['quote', 'second @alice'], ['text', 'I say > no']]);
  assert.deepEqual(quotedParts('see `a` > www.example.org').map(({ kind }) => kind), ['text', 'code', 'text', 'link']);
  assert.deepEqual(quotedParts('> again').map(({ kind }) => kind), ['text'], 'not once more');
  assert.ok(!mentions('> hello @alice\nyes', 'alice'), 'what is quoted calls nobody');
  assert.ok(mentions('> hello @alice\n@Alice yes', 'alice'));
  for (const text of ['>:(', '>', '> ', '>no', ' > no', 'a > b']) assert.deepEqual(marks(text), [], text);
  assert.deepEqual(marks('```\n> code\n```'), ['block:> code']);
});

test('code between backticks, as many as one likes, on one line', () => {
  assert.deepEqual(marks('use `npm test` here'), ['code:npm test']);
  assert.deepEqual(marks('`` a`b ``'), ['code:a`b']);
  assert.deepEqual(marks('` a `'), ['code:a']);
  assert.deepEqual(marks('``` one line ```'), ['code:one line']);
  assert.deepEqual(marks('`a` `b`'), ['code:a', 'code:b']);
  assert.deepEqual(marks('`https://example.org @alice`'), ['code:https://example.org @alice']);
  for (const text of ['`open', '`over\nlines`', '`` `', '` `', '``']) assert.deepEqual(marks(text), [], text);
});

test('fenced code keeps its lines and its language', () => {
  const [before, block, after] = parts('Look:\n```js\nlet a = `x`;\n\n  b @alice\n```\nThat.');
  assert.deepEqual([before.text, after.text], ['Look:', 'That.']);
  assert.deepEqual({ text: block.text, language: block.language }, { text: 'let a = `x`;\n\n  b @alice', language: 'js' });
  assert.equal(parts('```C++\nx\n```')[0].language, 'c++');
  assert.equal(parts('```\nx\n```')[0].language, '');
  assert.deepEqual(marks('```\nx```'), ['block:x']);
  assert.deepEqual(marks('```two words\nx\n```'), ['block:two words\nx']);
  assert.deepEqual(marks('````\n```\n````'), ['block:```']);
  assert.deepEqual(marks('```\na\n```\n```\nb\n```'), ['block:a', 'block:b']);
  assert.deepEqual(marks('```\n  indented\n```'), ['block:  indented']);
});

test('a fence that is never closed is text, and what stands in it is read as text', () => {
  assert.deepEqual(marks('```js\nlet a;'), []);
  assert.equal(shown('```js\nlet a;'), '```js\nlet a;');
  assert.deepEqual(marks('```js\n@alice `b`'), ['mention:@alice', 'code:b']);
  assert.deepEqual(marks('```\n\n```'), []);
});

test('names are mentioned at the beginning of a word, and only valid ones', () => {
  assert.deepEqual(marks('@alice and @Bob_2, (@carol) @dave: /@erin'), ['mention:@alice', 'mention:@Bob_2', 'mention:@carol', 'mention:@dave', 'mention:@erin']);
  assert.deepEqual(marks(`@${'a'.repeat(50)}`), [`mention:@${'a'.repeat(50)}`]);
  for (const text of ['mail@example', '@al', `@${'a'.repeat(51)}`, '@@alice', '@alice@example.org', 'é@alice', '𝒳@alice', '@aliceé', '@alice𝒳', '@ alice', 'x_@alice']) assert.deepEqual(marks(text), [], text);
});

test('one is meant by one’s name in any case, and nobody by a part of it', () => {
  assert.ok(mentions('hey @ALICE!', 'alice'));
  assert.ok(mentions('hey @alice', 'Alice'));
  assert.ok(!mentions('hey alice', 'alice'));
  assert.ok(!mentions('hey @alice2', 'alice'));
  assert.ok(!mentions('`@alice`', 'alice'));
});

test('one to three emoji and nothing else', () => {
  for (const text of ['👍', '👍🏽 🎉', '👩‍👩‍👧‍👦', '🇩🇪🇫🇷', '❤️', '1️⃣', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', ' 🎉\n']) assert.ok(isFewEmoji(text), text);
  for (const text of ['', ' ', '1', '#', 'a', '👍👍👍👍', 'ok 👍', '👍'.repeat(2_000), '🇩', '\u200d']) assert.ok(!isFewEmoji(text), text);
});

test('whatever is written: nothing is lost, nothing is invented, every link is a web address', () => {
  const random = chance(1);
  const pieces = ['`', '``', '```', '```js', '\n', '\n\n', ' ', '@', '@alice', '@al', 'https://', 'http://example.org', '(', ')', '[', ']', '{', '}', '.', ',', 'a', 'ß', '👍', '🏽', '\u202e', '\ud800', 'javascript:', '<img>', '\\', '"', '_', '\t', 'h', 'H', 'https://a@b.c', '://', 'www.', 'b.co', '> ', '>'];
  for (let round = 0; round < 20_000; round += 1) {
    const text = Array.from({ length: random(24) }, () => pieces[random(pieces.length)]).join('');
    const found = parts(text);
    assert.equal(found.map(({ raw }) => raw).join(''), text);
    for (const part of found) {
      assert.ok(part.raw.includes(part.text), JSON.stringify(part));
      assert.notEqual(part.raw, '');
      if (part.kind === 'text') assert.ok(part.raw === part.text || part.raw === `${part.text}\n`);
      else assert.notEqual(part.text.trim(), '', JSON.stringify(text));
      // Of code only its marks are left out.
      if (part.kind === 'link' || part.kind === 'mention') assert.equal(part.raw, part.text);
      if (part.kind === 'code') assert.match(part.raw.replace(part.text, ''), /^`+ {0,2}`+$/);
      if (part.kind === 'block') assert.match(part.raw.replace(part.text, () => ''), /^`{3,}[^`\n]*\n?\n?\s*`{3,}\s*$/);
      if (part.kind === 'quote') assert.match(part.raw.slice(0, part.raw.lastIndexOf(part.text)), /^> +$/);
      if (part.kind === 'link') assert.match(part.href, /^(https?:\/\/[^@]|mailto:[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+$)/);
      if (part.kind === 'mention') assert.match(part.name, /^[A-Za-z0-9_]{3,50}$/);
    }
    const two = found.findIndex(({ kind }, index) => kind === 'text' && found[index + 1]?.kind === 'text');
    assert.equal(two, -1, `one stretch of text is one part: ${JSON.stringify(text)}`);
  }
});

test('the work grows with the text, not with its square', () => {
  const units = ['`', '``a`', '```\n', '```a\n', '`a\n', '@', '@a', '@alice', 'h', 'http://', 'http://[', 'https://a', 'https://a(', 'www.a', 'www.a.b@', 'a@', 'a@b.', 'a@b.co ', '.a@', '> ', '> a\n',  '(', ')', 'https://a)', '.', ' ', '\n', '👍', '👍 ', '\u202e', 'http://a.', '1\ufe0f\u20e3', '👨‍'];
  const descending = Array.from({ length: 80 }, (_, index) => '`'.repeat(90 - index)).join('\n');
  const texts = [...units.map((unit) => unit.repeat(4_000).slice(0, 4_000)), `https://a/${'('.repeat(2_000)}${')'.repeat(1_990)}`, `https://a/${')'.repeat(3_990)}`, `https://a/${'.'.repeat(3_990)}`, descending.slice(0, 4_000)];
  const effort = (text) => {
    const start = performance.now();
    parts(text);
    isFewEmoji(text);
    return performance.now() - start;
  };
  // The best of a few, because the machine does other things too. With steps that go back over the
  // text, 64,000 characters would take many seconds.
  const best = (text) => Math.min(...Array.from({ length: 4 }, () => effort(text)));
  for (const text of texts) {
    for (const [long, most] of [[text.slice(0, 500), 25], [text, 50], [text.repeat(16), 600]]) {
      const took = best(long);
      assert.ok(took < most, `${took.toFixed(1)} ms for ${long.length} characters: ${JSON.stringify(text.slice(0, 12))}…`);
    }
  }
});
