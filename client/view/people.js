/**
 * Who is here: the reader first, the others by name.
 */
import { currentRoom } from '../state.js';
import { byId, keyed, make, setText, show } from './dom.js';
import { avatar } from './person.js';

/** @typedef {import('../state.js').State} State */

export class PeopleView {
  #list = byId('people-list', HTMLUListElement);
  #count = byId('people-count', HTMLSpanElement);
  #short = byId('people-count-short', HTMLSpanElement);
  #more = byId('people-more', HTMLParagraphElement);
  /** @type {Map<string, HTMLElement>} */
  #known = new Map();
  /** @type {string[] | null} */
  #users = null;
  #shownCount = -1;

  /** @param {State} state */
  render(state) {
    const { session } = state;
    const room = currentRoom(state);
    const users = room?.users ?? null;
    const count = room?.userCount ?? 0;
    // Until somebody said who is here, nobody would be wrong.
    const known = count > 0;
    if (users === this.#users && count === this.#shownCount) return;
    this.#users = users;
    this.#shownCount = count;
    const me = session?.username ?? '';
    const others = (users ?? []).filter((name) => name !== me);
    const shown = users?.includes(me) ? [me, ...others] : others;
    keyed(this.#list, shown.map((name) => ({ key: name, you: name === me })), draw, this.#known);
    setText(this.#count, known ? String(count) : '');
    setText(this.#short, known ? `${count} here` : 'People');
    show(this.#more, count > shown.length);
    setText(this.#more, `and ${count - shown.length} more`);
  }
}

/** @param {{key: string, you: boolean}} item @param {HTMLElement | null} known */
function draw({ key: name, you }, known) {
  if (known) return known;
  const label = make('span', 'name', name);
  label.title = name;
  return make('li', 'person', [avatar(name), label, you ? make('span', 'you', 'you') : null]);
}
