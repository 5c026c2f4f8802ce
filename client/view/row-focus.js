/**
 * Messages can be reached without a pointer: the last one in sight, or the one that a link points to, is one
 * stop of the Tab key, from either side; with the focus in it, its links are the next. keys.js leads from there
 * to the others. What can be done with them is view/actions.js.
 */
import { clockTime } from '../words.js';

export class RowFocus {
  #list;
  /** Where Tab stops. @type {HTMLElement | null} */
  #stop = null;

  /** @param {HTMLElement} list chunks of rows; of these, messages can be focused (-1), and so can what unfolds */
  constructor(list) {
    this.#list = list;
    list.addEventListener('focusin', ({ target }) => {
      const row = target instanceof Element ? target.closest(STOPS) : null;
      if (!(row instanceof HTMLElement)) return;
      this.#stopAt(row);
      reach(row, 0, true);
    });
    list.addEventListener('focusout', ({ relatedTarget }) => {
      if (this.#stop && !this.#stop.contains(relatedTarget instanceof Node ? relatedTarget : null)) reach(this.#stop, 0);
    });
    // Before the focus moves: what is far from what one reads would take the reader there.
    document.addEventListener('keydown', ({ key }) => {
      if (key === 'Tab' && !list.contains(document.activeElement)) this.#stopInSight();
    });
  }

  /** After the rows changed. */
  render() {
    if (this.#stop?.isConnected && this.#stop.contains(document.activeElement)) return;
    const row = this.#list.querySelector('.pointed') ?? inChunk(this.#list.lastElementChild, -1);
    if (row instanceof HTMLElement) this.#stopAt(row);
  }

  /** The row where Tab stops now. */
  inSight() {
    this.#stopInSight();
    return this.#stop;
  }

  #stopInSight() {
    const { top = 0, bottom = 0 } = this.#list.parentElement?.getBoundingClientRect() ?? {};
    const pointed = this.#list.querySelector('.pointed');
    const place = pointed?.getBoundingClientRect();
    if (pointed instanceof HTMLElement && place && place.bottom > top && place.top < bottom) return this.#stopAt(pointed);
    let row = inChunk(this.#list.lastElementChild, -1);
    for (let chunk = row?.parentElement; chunk && chunk.getBoundingClientRect().top >= bottom; chunk = row?.parentElement) row = inChunk(chunk.previousElementSibling, -1);
    while (row && row.getBoundingClientRect().top >= bottom) row = beside(row, -1);
    if (row) this.#stopAt(row);
  }

  /** @param {HTMLElement} row */
  #stopAt(row) {
    if (row === this.#stop) return;
    if (this.#stop) reach(this.#stop, -1);
    this.#stop = row;
    reach(row, 0);
  }
}

/** @typedef {-1 | 1} Step towards the older, or the newer */

/** What the keys stop at: messages, and lines that unfold. */
export const STOPS = '.said, .folds';

/** @param {Element} element @param {Step} step */
function sibling(element, step) {
  return step < 0 ? element.previousElementSibling : element.nextElementSibling;
}

/** The message next to a row. @param {Element} row @param {Step} step @param {string} [kind] of row @returns {HTMLElement | null} */
export function beside(row, step, kind) {
  return first(sibling(row, step), step, kind) ?? inChunk(row.parentElement && sibling(row.parentElement, step), step, kind);
}

/** The first message on the way through a chunk and those behind it. @param {Element | null} chunk @param {Step} step @param {string} [kind] of row @returns {HTMLElement | null} */
export function inChunk(chunk, step, kind) {
  for (; chunk; chunk = sibling(chunk, step)) {
    const row = first(step < 0 ? chunk.lastElementChild : chunk.firstElementChild, step, kind);
    if (row) return row;
  }
  return null;
}

/** @param {Element | null} row @param {Step} step @returns {HTMLElement | null} */
function first(row, step, kind = '.said') {
  for (; row; row = sibling(row, step)) if (row instanceof HTMLElement && row.matches(kind)) return row;
  return null;
}

/**
 * The row, unless its button stands for it, and what can be done in it; its links while the focus is in it. A
 * message is read out in one, its text and nothing else.
 * @param {HTMLElement} row @param {number} tabIndex @param {boolean} [inside] the focus is in it
 */
function reach(row, tabIndex, inside = false) {
  const parts = /** @type {NodeListOf<HTMLElement>} */ (row.querySelectorAll('a, button:not(.more)'));
  for (const part of parts) part.tabIndex = inside || part.matches('button') ? tabIndex : -1;
  if (!row.matches('.said')) return;
  row.tabIndex = tabIndex;
  const moment = row.querySelector('time');
  const calls = row.matches('.mentioned') ? ', mentions you' : '';
  row.ariaLabel = `${row.querySelector('.name, .unseen')?.textContent}, ${clockTime(Date.parse(moment?.dateTime ?? ''))}${calls}: ${spoken(row.querySelector('.text'))}`;
}

/** What stands in lines of its own is a word of its own. @param {Element | null} text */
function spoken(text) {
  return [...(text?.childNodes ?? [])].map((part) => (part instanceof Element && part.matches('blockquote, pre') ? `\n${part.textContent}\n` : part.textContent)).join('').trim();
}
