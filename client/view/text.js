/**
 * A message's text on the page. Every part becomes an element of its own kind with text in it and
 * nothing else; an address that is not http(s) never gets here (text.js).
 */
import { isFewEmoji, parts, sameName } from '../text.js';
import { make } from './dom.js';

/** @typedef {import('../text.js').Part} Part */

/**
 * @param {string} text
 * @param {string} me whose name is told apart from other names
 */
export function messageText(text, me) {
  const element = make('div', 'text', parts(text).map((part) => drawn(part, me)));
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
  }
}

/** The page that is opened learns neither this page nor its address. @param {string} text @param {string} href */
function link(text, href) {
  const element = leftToRight(make('a', '', text));
  element.href = href;
  element.target = '_blank';
  element.rel = 'noopener noreferrer';
  element.referrerPolicy = 'no-referrer';
  return element;
}

/** @template {HTMLElement} E @param {E} element */
function leftToRight(element) {
  element.dir = 'ltr';
  return element;
}
