/**
 * What stands in a row of the thread: a message's text, the line of who came and went.
 */
import { placeOf } from '../route.js';
import { isFewEmoji, parts, quotedParts, sameName } from '../text.js';
import { fullTrafficLines, trafficFolds, trafficLine } from '../words.js';
import { make, setText } from './dom.js';

/** @typedef {import('../text.js').Part} Part */

/**
 * A message's text on the page. Every part becomes an element of its own kind with text in it and
 * nothing else; an address that is not http(s) never gets here (text.js).
 * @param {string} text
 * @param {string} me whose name is told apart from other names
 */
export function messageText(text, me) {
  /** @type {Node[]} */
  const nodes = [];
  /** @type {HTMLElement | null} */
  let quote = null;
  for (const part of parts(text)) {
    const node = drawn(part, me);
    // Lines quoted one below the other are one quote.
    if (quote && part.kind === 'quote') quote.append('\n', ...node.childNodes);
    else nodes.push(node);
    if (part.kind !== 'quote') quote = null;
    else quote ??= node instanceof HTMLElement ? node : null;
  }
  const element = make('div', 'text', nodes);
  // Which way it runs follows from its own letters; styles/text.css does the same for each line.
  element.dir = 'auto';
  element.classList.toggle('emoji', isFewEmoji(text));
  return element;
}

/** @param {Part} part @param {string} me @returns {Node} */
function drawn(part, me) {
  switch (part.kind) {
    case 'text':
      return document.createTextNode(part.text);
    case 'link':
      return link(part.text, part.href);
    case 'code':
      return leftToRight(make('code', '', part.text));
    case 'block': {
      const block = leftToRight(make('pre', 'block', [make('code', '', part.text)]));
      if (part.language) block.dataset['language'] = part.language;
      return block;
    }
    case 'mention':
      return make('span', sameName(part.name, me) ? 'mention me' : 'mention', part.text);
    case 'quote':
      return make('blockquote', 'quote', quotedParts(part.text).map((inside) => drawn(inside, '')));
  }
}

/** The page that is opened learns neither this page nor its address. What leads to a place in this page, or to no page, opens none. @param {string} text @param {string} href */
function link(text, href) {
  const element = leftToRight(make('a', '', text));
  const [page, hash = ''] = href.split('#');
  element.href = href;
  if (href.startsWith('mailto:') || (page === location.href.split('#')[0] && placeOf(hash))) return element;
  element.target = '_blank';
  element.rel = 'noopener noreferrer';
  element.referrerPolicy = 'no-referrer';
  element.tabIndex = -1;
  return element;
}

/** @template {HTMLElement} E @param {E} element */
function leftToRight(element) {
  element.dir = 'ltr';
  return element;
}

/**
 * The line of who came and went. Long ones fold the names away; a button opens and closes them, the
 * same for pointer, finger and keyboard. It is updated in place, so that it stays open and focused
 * while more people come.
 * @param {{joined: string[], left: string[]}} note
 * @param {HTMLElement | null} known the element of an earlier state of the same line
 */
export function traffic({ joined, left }, known) {
  const row = known ?? make('li', 'row line note traffic', [make('div', 'words')]);
  const words = row.firstElementChild;
  if (!(words instanceof HTMLElement)) return row;
  const line = trafficLine(joined, left);
  if (!trafficFolds(joined, left)) {
    words.replaceChildren(make('span', '', line));
    return row;
  }
  const fold = row.querySelector('button') ?? unfolded(words);
  setText(fold, line);
  const names = row.querySelector('.names');
  names?.replaceChildren(...fullTrafficLines(joined, left).map((text) => make('p', '', text)));
  return row;
}

/** @param {HTMLElement} words */
function unfolded(words) {
  const fold = make('button', 'fold');
  const names = make('div', 'names');
  fold.type = 'button';
  fold.tabIndex = -1;
  words.parentElement?.classList.add('folds');
  names.hidden = true;
  fold.setAttribute('aria-expanded', 'false');
  fold.addEventListener('click', () => {
    // As a click does not do everywhere.
    fold.focus();
    names.hidden = !names.hidden;
    fold.setAttribute('aria-expanded', String(!names.hidden));
    names.scrollIntoView({ block: 'nearest' });
    // However many they are, what closes them again stays in sight.
    fold.scrollIntoView({ block: 'nearest' });
  });
  words.replaceChildren(fold, names);
  return fold;
}
