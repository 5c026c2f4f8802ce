/**
 * One quiet line above the composer when the server has a newer client than this page. Nothing is
 * reloaded without being asked: somebody may be writing.
 */
import { byId, setText, show } from './dom.js';

export class UpdatedView {
  #line = byId('updated', HTMLDivElement);
  #text = byId('updated-text', HTMLSpanElement);
  #reload = byId('updated-reload', HTMLButtonElement);

  /** @param {{reload: () => void}} actions */
  constructor(actions) {
    this.#reload.addEventListener('click', () => actions.reload());
  }

  /** @param {import('../state.js').State} state */
  render({ updated }) {
    this.#line.classList.toggle('shown', updated);
    // Written when it happens, so that it is also heard.
    setText(this.#text, updated ? 'Chorus was updated.' : '');
    show(this.#reload, updated);
  }
}
