/**
 * Who is here: the reader first, the others by name; where they are many, a field finds somebody. The
 * live list has the first 500 names; whoever looks for one gets all of them from the server.
 */
import { currentRoom } from '../state.js';
import { byId, keyed, make, setText, show } from './dom.js';
import { avatar } from './person.js';

/** @typedef {import('../state.js').State} State */

/** From so many people on there is a field to search by. */
const MANY = 12;

export class PeopleView {
  #list = byId('people-list', HTMLUListElement);
  #count = byId('people-count', HTMLSpanElement);
  #short = byId('people-count-short', HTMLSpanElement);
  #more = byId('people-more', HTMLParagraphElement);
  #search = byId('people-search', HTMLInputElement);
  #actions;
  /** @type {Map<string, HTMLElement>} */
  #known = new Map();
  /** @type {State | null} */
  #state = null;
  /** Everybody as the server had them, where the live list has not all; for that room. @type {{room: string, users: string[]} | null} */
  #everybody = null;
  /** What the list was drawn from. @type {unknown[]} */
  #drawn = [];

  /** @param {{everybody: () => Promise<string[]>}} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#search.addEventListener('focus', () => void this.#askForAll());
    this.#search.addEventListener('input', () => this.#draw());
    this.#search.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.#search.value === '') return;
      // Escape empties the field first; the next one closes the drawer.
      event.stopPropagation();
      this.#search.value = '';
      this.#draw();
    });
  }

  /** @param {State} state */
  render(state) {
    if (state.current !== this.#state?.current) {
      this.#search.value = '';
      this.#everybody = null;
    }
    this.#state = state;
    this.#draw();
  }

  async #askForAll() {
    const state = this.#state;
    const room = state && currentRoom(state);
    if (!room || room.userCount <= room.users.length) return;
    try {
      const users = await this.#actions.everybody();
      if (this.#state?.current === room.name) this.#everybody = { room: room.name, users };
      this.#draw();
    } catch {
      // The first of them can be searched all the same, and the line below says how many are missing.
    }
  }

  #draw() {
    const state = this.#state;
    if (!state) return;
    const room = currentRoom(state);
    const query = this.#search.value.trim().toLowerCase();
    const from = [room?.users, room?.userCount, query, this.#everybody];
    if (from.every((part, index) => part === this.#drawn[index])) return;
    this.#drawn = from;
    const me = state.session?.username ?? '';
    const live = room?.users ?? [];
    const all = query !== '' && this.#everybody ? [...new Set([...live, ...this.#everybody.users])] : live;
    const found = query === '' ? all : all.filter((name) => name.toLowerCase().includes(query));
    const shown = found.includes(me) ? [me, ...found.filter((name) => name !== me)] : found;
    keyed(this.#list, shown.map((name) => ({ key: name, you: name === me })), draw, this.#known);
    const count = room?.userCount ?? 0;
    // Until somebody said who is here, nobody would be wrong.
    setText(this.#count, count > 0 ? String(count) : '');
    setText(this.#short, count > 0 ? `${count} here` : 'People');
    show(this.#search, count >= MANY || query !== '');
    const more = this.#words(query, shown.length, count, all.length);
    show(this.#more, more !== '');
    setText(this.#more, more);
  }

  /** @param {string} query @param {number} shown @param {number} count @param {number} searched */
  #words(query, shown, count, searched) {
    if (query === '') return count > shown ? `and ${count - shown} more` : '';
    if (shown > 0) return '';
    return searched < count ? `Nobody among the first ${searched}` : 'Nobody of that name is here';
  }
}

/** @param {{key: string, you: boolean}} item @param {HTMLElement | null} known */
function draw({ key: name, you }, known) {
  if (known) return known;
  const label = make('span', 'name', name);
  label.title = name;
  return make('li', 'person', [avatar(name), label, you ? make('span', 'you', 'you') : null]);
}
