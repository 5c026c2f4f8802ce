/**
 * Finding somebody where they are many. The live list has the first 500 names; whoever looks for one gets all
 * of them from the server.
 */
import { currentRoom } from '../state.js';
import { byId, make, show } from './dom.js';

/** @typedef {import('../state.js').State} State */

export class PeopleSearch {
  #input = make('input', 'search');
  #changed;
  #ask;
  /** @type {State | null} */
  #state = null;
  #searched = 0;
  /** All of them as the server had them, where the live list has not. @type {string[] | null} */
  everybody = null;

  /** @param {(room: string) => Promise<string[]>} ask @param {() => void} changed something else is found now */
  constructor(ask, changed) {
    this.#ask = ask;
    this.#changed = changed;
    Object.assign(this.#input, { id: 'people-search', type: 'search', placeholder: 'Find somebody', ariaLabel: 'Find somebody', autocomplete: 'off', autocapitalize: 'none', spellcheck: false, enterKeyHint: 'search', hidden: true });
    this.#input.addEventListener('focus', () => void this.#askForAll());
    this.#input.addEventListener('input', () => changed());
    this.#input.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.query === '') return;
      // Escape empties the field first; the next one closes the drawer.
      event.stopPropagation();
      this.#input.value = '';
      changed();
    });
    byId('people-list', HTMLUListElement).before(this.#input);
  }

  get query() {
    return this.#input.value.trim().toLowerCase();
  }

  /** @param {State} state */
  render(state) {
    if (state.current !== this.#state?.current) {
      this.#input.value = '';
      this.everybody = null;
    }
    this.#state = state;
  }

  /** @param {boolean} many there are */
  show(many) {
    show(this.#input, many || this.query !== '');
  }

  /** @param {string[]} live @returns {string[]} */
  find(live) {
    const all = this.query !== '' && this.everybody ? [...new Set([...live, ...this.everybody])] : live;
    this.#searched = all.length;
    return all.filter((name) => name.toLowerCase().includes(this.query));
  }

  /** What there is to say of those that were found. @param {number} found @param {number} count of all */
  words(found, count) {
    if (this.query === '') return null;
    if (found > 0) return found === 1 ? '1 found' : `${found} found`;
    return this.#searched < count ? `Nobody among the first ${this.#searched}` : 'Nobody of that name is here';
  }

  async #askForAll() {
    const room = this.#state && currentRoom(this.#state);
    if (!room || room.userCount <= room.users.length) return;
    try {
      const everybody = await this.#ask(room.name);
      if (this.#state?.current === room.name) this.everybody = everybody;
      this.#changed();
    } catch {
      // The first of them can be searched all the same, and the line below says how many are missing.
    }
  }
}
