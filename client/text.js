/**
 * What stands in a message: its text as a flat list of parts, in order. Pure, and linear in the text
 * whatever the text is: it was written by a stranger. Nothing is lost or invented: the `raw` of all
 * parts, put together, is the text again, and what is shown of a part is in its `raw`.
 *
 * Understood are links (http, https, what begins with www. and mail addresses, shown exactly as written),
 * `code`, fenced blocks of code, lines of a > quote, and @names. What is opened and never closed is plain text.
 */

/**
 * @typedef {{kind: 'text', raw: string, text: string}
 *   | {kind: 'link', raw: string, text: string, href: string}
 *   | {kind: 'code', raw: string, text: string}
 *   | {kind: 'block', raw: string, text: string, language: string}
 *   | {kind: 'quote', raw: string, text: string}
 *   | {kind: 'mention', raw: string, text: string, name: string}} Part
 */
/** @typedef {{from: number, text: string, after: number}} Line after: where the next one begins */
/** @typedef {{at: number, length: number, next: number}} Ticks a run of backticks; next: where one as long follows, or -1 */

const TICK = '\x60';

/** What ends a link, besides white space: quotes, backticks, what no URL has, marks of other scripts, and whatever turns the reading direction. */
const LINK_END = /[\s\p{Cc}<>"\x60\\“”„«»‹›。、，！？；：（）【】「」『』《》〈〉\u061C\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF]/u;

/** What belongs to the sentence and not to the link that it ends with. */
const SENTENCE_END = new Set(".,:;!?'’…*~");
/** @type {{[closer: string]: string}} */
const OPENER = { ')': '(', ']': '[', '}': '{' };

/** Without a scheme: at least two words behind the www. */
const SECURE = 'https:';
const LINK_START = /[hw]/i;
const WWW_HOST = /^www\.[^/?#:]+\.[^/?#:]{2}/i;

const LOCAL = /[A-Za-z0-9._+-]/;
const LOCAL_MAX = 64;
const HOST_MAX = 200;
const MAIL_HOST = /^(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,24}/;

const WORD = /[\p{L}\p{M}\p{N}_]/u;
const NAME = /[A-Za-z0-9_]/;
const NAME_MIN = 3;
const NAME_MAX = 50;

/** A language is one word; everything else behind a fence is code already. */
const LANGUAGE = /^[A-Za-z0-9+#._-]{1,20}$/;

/** The longest that three emoji can be; longer texts are not looked at. */
const EMOJI_LENGTH = 120;

/**
 * @param {string} text as accepted by the server
 * @returns {Part[]}
 */
export function parts(text) {
  /** @type {Part[]} */
  const found = [];
  const lines = linesOf(text);
  const closers = lines.map(({ text: line }) => ticksAtEnd(line));
  const longest = greatestAfter(closers);
  let plainFrom = 0;
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index];
    const quoted = line && /^> +(?=\S)/.exec(line.text)?.[0].length;
    if (line && quoted) {
      inline(text.slice(plainFrom, line.from), found);
      found.push({ kind: 'quote', raw: text.slice(line.from, line.after), text: line.text.slice(quoted) });
      plainFrom = line.after;
    }
    const fence = line && fenceOf(line.text);
    if (!line || !fence || (longest[index] ?? 0) < fence.length) continue;
    let last = index + 1;
    while ((closers[last] ?? 0) < fence.length) last += 1;
    const end = lines[last];
    const part = end && block(text.slice(line.from, end.after), fence, closers[last] ?? 0);
    if (!part) continue;
    inline(text.slice(plainFrom, line.from), found);
    found.push(part);
    plainFrom = end.after;
    index = last;
  }
  inline(text.slice(plainFrom), found);
  return withoutBlankEdges(found);
}

/** What stands in a line of a quote, in which nothing is quoted once more. @param {string} text @returns {Part[]} */
export function quotedParts(text) {
  /** @type {Part[]} */
  const found = [];
  inline(text, found);
  return found;
}

/** Whether somebody is named in it, and not only in what is quoted. @param {string} text @param {string} username */
export function mentions(text, username) {
  return parts(text).some((part) => part.kind === 'mention' && sameName(part.name, username));
}

/** Names differ by more than case. @param {string} one @param {string} other */
export function sameName(one, other) {
  return one.toLowerCase() === other.toLowerCase();
}

const FEW_EMOJI = fewEmoji();

/** One to three emoji and nothing else. @param {string} text */
export function isFewEmoji(text) {
  return text.length <= EMOJI_LENGTH && FEW_EMOJI?.test(text) === true;
}

/** Browsers that do not know the set of them yet show them as large as words. */
function fewEmoji() {
  try {
    return new RegExp('^(?:\\s*\\p{RGI_Emoji}){1,3}\\s*$', 'v');
  } catch {
    return null;
  }
}

/** @param {string} text @returns {Line[]} */
function linesOf(text) {
  /** @type {Line[]} */
  const lines = [];
  for (let from = 0; from <= text.length; ) {
    const newline = text.indexOf('\n', from);
    const after = newline < 0 ? text.length + 1 : newline + 1;
    lines.push({ from, text: text.slice(from, after - 1), after: Math.min(after, text.length) });
    from = after;
  }
  return lines;
}

/** How many backticks a line ends with: so long a fence it can close. @param {string} line */
function ticksAtEnd(line) {
  const whole = line.trimEnd();
  let from = whole.length;
  while (whole[from - 1] === TICK) from -= 1;
  return whole.length - from;
}

/** For each place the greatest of those after it. @param {number[]} values */
function greatestAfter(values) {
  const after = values.map(() => 0);
  for (let index = values.length - 2; index >= 0; index -= 1) after[index] = Math.max(values[index + 1] ?? 0, after[index + 1] ?? 0);
  return after;
}

/** @param {string} line @returns {{length: number, language: string, code: string} | null} code: what stands behind the fence already */
function fenceOf(line) {
  let length = 0;
  while (line[length] === TICK) length += 1;
  const rest = line.slice(length);
  if (length < 3 || rest.includes(TICK)) return null;
  const word = rest.trim();
  return word === '' || LANGUAGE.test(word) ? { length, language: word.toLowerCase(), code: '' } : { length, language: '', code: rest };
}

/** @param {string} raw all lines of the block, and the newline after it @param {{length: number, language: string, code: string}} fence @param {number} closing @returns {Part | null} */
function block(raw, { length, language, code }, closing) {
  const from = code ? length : raw.indexOf('\n') + 1;
  const to = raw.trimEnd().length - closing;
  const inside = raw.slice(from, Math.max(from, to));
  if (inside.trim() === '') return null;
  return { kind: 'block', raw, text: inside.endsWith('\n') ? inside.slice(0, -1) : inside, language };
}

/** A block and a quote stand on lines of their own anyway: the newline before them is part of their mark. @param {Part[]} found @returns {Part[]} */
function withoutBlankEdges(found) {
  return found.map((part, index) => {
    const next = found[index + 1]?.kind;
    const before = part.kind === 'text' && (next === 'block' || next === 'quote');
    return before && part.text.endsWith('\n') ? { ...part, text: part.text.slice(0, -1) } : part;
  });
}

/** @param {string} text without blocks @param {Part[]} found */
function inline(text, found) {
  const ticks = ticksOf(text);
  let plainFrom = 0;
  let run = 0;
  const plainTo = (/** @type {number} */ end) => {
    if (end > plainFrom) found.push({ kind: 'text', raw: text.slice(plainFrom, end), text: text.slice(plainFrom, end) });
  };
  for (let at = 0; at < text.length; ) {
    const char = text[at];
    /** @type {Part | null} */
    let part = null;
    if (char === TICK) {
      while ((ticks[run]?.at ?? at) < at) run += 1;
      const opening = ticks[run];
      if (opening) part = code(text, opening);
      if (!part) at += opening?.length ?? 1;
    } else if (char === '@') {
      part = mention(text, at) ?? mail(text, at, plainFrom);
      if (!part) at += 1;
      // It began before its @.
      else if (part.kind === 'link') at -= part.raw.indexOf('@');
    } else if (LINK_START.test(char ?? '') && !WORD.test(charBefore(text, at))) {
      const url = linkAt(text, at);
      part = url.part;
      if (!part) at = url.end;
    } else {
      at += 1;
    }
    if (!part) continue;
    plainTo(at);
    found.push(part);
    at += part.raw.length;
    plainFrom = at;
  }
  plainTo(text.length);
}

/** All runs of backticks; each knows the next as long on the same line. @param {string} text @returns {Ticks[]} */
function ticksOf(text) {
  /** @type {Ticks[]} */
  const runs = [];
  for (let at = text.indexOf(TICK); at >= 0; ) {
    let end = at;
    while (text[end] === TICK) end += 1;
    runs.push({ at, length: end - at, next: -1 });
    at = text.indexOf(TICK, end);
  }
  /** @type {Map<number, number>} */
  const nextOf = new Map();
  let line = text.length;
  for (const run of runs.toReversed()) {
    const newline = text.slice(run.at, line).includes('\n');
    line = run.at;
    if (newline) nextOf.clear();
    run.next = nextOf.get(run.length) ?? -1;
    nextOf.set(run.length, run.at);
  }
  return runs;
}

/** @param {string} text @param {Ticks} opening @returns {Part | null} */
function code(text, { at, length, next }) {
  if (next < 0) return null;
  const raw = text.slice(at, next + length);
  const inside = raw.slice(length, -length);
  if (inside.trim() === '') return null;
  // One space at either end lets code begin with a backtick.
  const padded = inside.startsWith(' ') && inside.endsWith(' ');
  return { kind: 'code', raw, text: padded ? inside.slice(1, -1) : inside };
}

/** @param {string} text @param {number} at where the @ stands @returns {Part | null} */
function mention(text, at) {
  const before = charBefore(text, at);
  if (before === '@' || WORD.test(before)) return null;
  let end = at + 1;
  while (end - at <= NAME_MAX + 1 && NAME.test(text[end] ?? '')) end += 1;
  const name = text.slice(at + 1, end);
  const next = String.fromCodePoint(text.codePointAt(end) ?? 32);
  if (name.length < NAME_MIN || name.length > NAME_MAX || next === '@' || WORD.test(next)) return null;
  const raw = text.slice(at, end);
  return { kind: 'mention', raw, text: raw, name };
}

/** A mail address around an @, of the usual letters only: nothing in it can mean more than an address. @param {string} text @param {number} at @param {number} from where it may begin @returns {Part | null} */
function mail(text, at, from) {
  let start = at;
  while (start > from && at - start < LOCAL_MAX && LOCAL.test(text[start - 1] ?? '')) start -= 1;
  while (start < at && text[start] === '.') start += 1;
  const host = MAIL_HOST.exec(text.slice(at + 1, at + 1 + HOST_MAX))?.[0];
  if (start === at || !host || /[\p{L}\p{M}\p{N}_@/=]$/u.test(charBefore(text, start)) || text[at - 1] === '.') return null;
  const end = at + 1 + host.length;
  if (/[\p{L}\p{M}\p{N}_@]/u.test(String.fromCodePoint(text.codePointAt(end) ?? 32))) return null;
  const raw = text.slice(start, end);
  return { kind: 'link', raw, text: raw, href: `mailto:${raw}` };
}

/** @param {string} text @param {number} at @returns {{part: Part | null, end: number}} end: what comes before it is no link either */
function linkAt(text, at) {
  const scheme = /^(https?:\/\/|www\.(?=[\p{L}\p{N}]))/iu.exec(text.slice(at, at + 8))?.[0];
  if (!scheme) return { part: null, end: at + 1 };
  let end = at + scheme.length;
  while (end < text.length && !LINK_END.test(text[end] ?? '')) end += 1;
  const raw = withoutSentence(text.slice(at, end));
  const named = scheme.includes('/') || (WWW_HOST.test(raw) && !/[@/.-]/.test(charBefore(text, at)));
  const href = named && safeHref(scheme.includes('/') ? raw : `${SECURE}//${raw}`);
  return href ? { part: { kind: 'link', raw, text: raw, href }, end: at + raw.length } : { part: null, end };
}

/** Without punctuation at its end, and without brackets that were opened before it. @param {string} url */
function withoutSentence(url) {
  /** @type {{[char: string]: number}} */
  const count = { '(': 0, ')': 0, '[': 0, ']': 0, '{': 0, '}': 0 };
  for (const char of url) if (char in count) count[char] = (count[char] ?? 0) + 1;
  let end = url.length;
  for (; end > 0; end -= 1) {
    const char = url[end - 1] ?? '';
    const opener = OPENER[char];
    if (opener && (count[char] ?? 0) > (count[opener] ?? 0)) count[char] = (count[char] ?? 0) - 1;
    else if (!SENTENCE_END.has(char)) break;
  }
  return url.slice(0, end);
}

/** A name and password before the host only serve to make one host look like another. @param {string} url */
function safeHref(url) {
  try {
    const { protocol, hostname, username, password, href } = new URL(url);
    const web = protocol === 'http:' || protocol === 'https:';
    return web && hostname !== '' && username === '' && password === '' ? href : null;
  } catch {
    return null;
  }
}

/** A whole character, also one of two halves. @param {string} text @param {number} at */
function charBefore(text, at) {
  if (at === 0) return ' ';
  const low = /[\uDC00-\uDFFF]/.test(text[at - 1] ?? '');
  return text.slice(low && at > 1 ? at - 2 : at - 1, at);
}
