/**
 * Messages can be reached without a pointer: the newest is one stop of the Tab key, arrows lead from
 * there to the others. The one that has the focus, or was touched, tells its exact time.
 */
import { make } from './dom.js';

export class RowFocus {
  #list;
  /** Where Tab stops. @type {HTMLElement | null} */
  #stop = null;
  #exact = make('span', 'exact');

  /** @param {HTMLOListElement} list of rows; those with the class `said` are messages and can be focused (-1) */
  constructor(list) {
    this.#list = list;
    list.addEventListener('keydown', (event) => this.#key(event));
    list.addEventListener('focusin', ({ target }) => {
      const row = target instanceof Element ? target.closest('.said') : null;
      if (row instanceof HTMLElement) this.#tell(row);
    });
    list.addEventListener('focusout', () => this.#exact.remove());
  }

  /** After the rows changed. */
  render() {
    if (this.#stop?.isConnected && this.#stop.contains(document.activeElement)) return;
    const rows = this.#list.querySelectorAll(':scope > .said');
    const last = rows.item(rows.length - 1);
    if (last instanceof HTMLElement) this.#stopAt(last);
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
    let next = key === 'ArrowUp' ? target.previousElementSibling : target.nextElementSibling;
    while (next && !next.matches('.said')) next = key === 'ArrowUp' ? next.previousElementSibling : next.nextElementSibling;
    event.preventDefault();
    if (!(next instanceof HTMLElement)) return;
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

/** The message and its address, which is its time. @param {HTMLElement} row @param {number} tabIndex */
function reach(row, tabIndex) {
  row.tabIndex = tabIndex;
  const time = row.querySelector('a.time');
  if (time instanceof HTMLElement) time.tabIndex = tabIndex;
}
