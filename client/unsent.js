/**
 * Own messages that are not in the log: they can be changed, sent again or deleted, as long as it is certain that
 * they were not sent; and after a question where it is not.
 */
import { currentRoom } from './state.js';

/** @typedef {'Edit' | 'Retry' | 'Delete'} Way what can be done with one, by the word on its button */
/**
 * @typedef {object} Around
 * @property {import('./sdk/chorus.js').Chorus} chorus
 * @property {() => import('./state.js').State} current
 * @property {(id: string) => void} discard
 * @property {(text: string) => void} send
 * @property {(text: string) => void} put where one writes
 * @property {(id: string, way: Way, chosen: (way: Way) => void) => void} ask whether it shall be, though it may have been sent already
 */

export class Unsent {
  #around;

  /** @param {Around} around */
  constructor(around) {
    this.#around = around;
  }

  /** @param {Way} way @param {string} id */
  does(way, id) {
    const row = this.#row(id);
    if (!row || row.state === 'sent') return;
    if (row.state === 'refused' || this.#around.chorus.withdraw(id)) this.#now(way, id);
    else this.#around.ask(id, way, (chosen) => this.#now(chosen, id));
  }

  /** The latest here, where one writes; it is no message any more. */
  recall() {
    const row = this.#rows().findLast(({ state }) => state !== 'sent');
    if (row) this.does('Edit', row.id);
  }

  /** @param {Way} way @param {string} id */
  #now(way, id) {
    const row = this.#row(id);
    // While one was asked it was sent.
    if (!row || row.state === 'sent') return;
    this.#around.discard(id);
    if (way === 'Edit') this.#around.put(row.message);
    // Refused means that nothing was committed, so it goes as a new message.
    if (way === 'Retry') this.#around.send(row.message);
  }

  /** @param {string} id */
  #row(id) {
    return this.#rows().find((row) => row.id === id);
  }

  #rows() {
    return currentRoom(this.#around.current())?.waiting ?? [];
  }
}
