/**
 * Messages can be reached without a pointer: the last one in sight is one stop of the Tab key, arrows lead
 * from there to the others. The one that has the focus, or was touched, tells its exact time.
 */
import { make } from './dom.js';

export class RowFocus {
  #list;
  /** Where Tab stops. @type {HTMLElement | null} */
  #stop = null;
  #exact = make('span', 'exact');

  /** @param {HTMLElement} list chunks of rows; of these, those with the class `said` are messages and can be focused (-1) */
  constructor(list) {
    this.#list = list;
    list.addEventListener('keydown', (event) => this.#key(event));
    list.addEventListener('focusin', ({ target }) => {
      const row = target instanceof Element ? target.closest('.said') : null;
      if (row instanceof HTMLElement) this.#tell(row);
    });
    list.addEventListener('focusout', () => this.#exact.remove());
    // Before the focus moves: what is far from what one reads would take the reader there.
    document.addEventListener('keydown', ({ key }) => {
      if (key === 'Tab' && !list.contains(document.activeElement)) this.#stopInSight();
    });
  }

  /** After the rows changed. */
  render() {
    if (this.#stop?.isConnected && this.#stop.contains(document.activeElement)) return;
    const last = inChunk(this.#list.lastElementChild, -1);
    if (last) this.#stopAt(last);
  }

  #stopInSight() {
    const bottom = this.#list.parentElement?.getBoundingClientRect().bottom ?? 0;
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

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { key } = event;
    const target = event.target instanceof Element ? event.target.closest('.said') : null;
    if (!target) return;
    if (key !== 'ArrowUp' && key !== 'ArrowDown') return;
    const next = beside(target, key === 'ArrowUp' ? -1 : 1);
    event.preventDefault();
    if (!next) return;
    this.#stopAt(next);
    next.focus();
  }

  /** @param {HTMLElement} row */
  #tell(row) {
    this.#stopAt(row);
    const time = row.querySelector('.time');
    this.#exact.textContent = time instanceof HTMLElement ? time.title : '';
    row.append(this.#exact);
  }
}

/** @typedef {-1 | 1} Step towards the older, or the newer */

/** @param {Element} element @param {Step} step */
function sibling(element, step) {
  return step < 0 ? element.previousElementSibling : element.nextElementSibling;
}

/** The message next to a row. @param {Element} row @param {Step} step @returns {HTMLElement | null} */
function beside(row, step) {
  for (let next = sibling(row, step); next; next = sibling(next, step)) if (isMessage(next)) return next;
  const chunk = row.parentElement && sibling(row.parentElement, step);
  return inChunk(chunk, step);
}

/** The first message on the way through a chunk and those behind it. @param {Element | null} chunk @param {Step} step @returns {HTMLElement | null} */
function inChunk(chunk, step) {
  for (; chunk; chunk = sibling(chunk, step)) {
    for (let row = step < 0 ? chunk.lastElementChild : chunk.firstElementChild; row; row = sibling(row, step)) if (isMessage(row)) return row;
  }
  return null;
}

/** @param {Element} row @returns {row is HTMLElement} */
function isMessage(row) {
  return row instanceof HTMLElement && row.matches('.said');
}

/** The message and its address, which is its time. @param {HTMLElement} row @param {number} tabIndex */
function reach(row, tabIndex) {
  row.tabIndex = tabIndex;
  const time = row.querySelector('a.time');
  if (time instanceof HTMLElement) time.tabIndex = tabIndex;
}
