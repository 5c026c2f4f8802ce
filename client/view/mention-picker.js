/**
 * Help with @names while writing: people who are here and match, above the composer. The text keeps
 * the focus; arrows choose, Enter and Tab take, Escape closes until another name is begun. Nothing
 * happens in the middle of composing a character.
 */
import { askedAt, completed, matching } from '../mention.js';
import { currentRoom } from '../state.js';
import { byId, make, show } from './dom.js';
import { avatar } from './sides.js';

/** @typedef {import('../mention.js').Asked} Asked */

export class MentionPicker {
  #text;
  #list = byId('mention-list', HTMLUListElement);
  /** @type {string[]} */
  #names = [];
  #me = '';
  /** @type {Asked | null} */
  #asked = null;
  /** Where the @ stands that was waved away. */
  #closedAt = -1;
  /** @type {string[]} */
  #shown = [];
  #chosen = 0;

  /** @param {HTMLTextAreaElement} text */
  constructor(text) {
    this.#text = text;
    text.setAttribute('aria-autocomplete', 'list');
    text.setAttribute('aria-controls', this.#list.id);
    text.addEventListener('input', (event) => {
      if (!(event instanceof InputEvent && event.isComposing)) this.look();
    });
    text.addEventListener('compositionstart', () => this.#close());
    text.addEventListener('compositionend', () => this.look());
    text.addEventListener('click', () => this.look());
    text.addEventListener('keyup', ({ key }) => ['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(key) && this.look());
    text.addEventListener('blur', () => this.#close());
    // Before the click would take the focus away from the text.
    this.#list.addEventListener('mousedown', (event) => event.preventDefault());
    this.#list.addEventListener('click', (event) => {
      const option = event.target instanceof Element ? event.target.closest('[role="option"]') : null;
      if (option) this.#take([...this.#list.children].indexOf(option));
    });
  }

  /** @param {import('../state.js').State} state */
  render(state) {
    const names = currentRoom(state)?.users ?? [];
    this.#me = state.session?.username ?? '';
    if (names === this.#names) return;
    this.#names = names;
    if (this.#asked) this.look();
  }

  /** Whether the key was meant for the list. @param {KeyboardEvent} event */
  key(event) {
    if (this.#shown.length === 0 || event.isComposing || event.keyCode === 229) return false;
    if (event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return false;
    const count = this.#shown.length;
    if (event.key === 'ArrowDown') this.#choose((this.#chosen + 1) % count);
    else if (event.key === 'ArrowUp') this.#choose((this.#chosen + count - 1) % count);
    else if (event.key === 'Enter' || event.key === 'Tab') this.#take(this.#chosen);
    else if (event.key === 'Escape') this.#dismiss();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  /** Is a name being written? */
  look() {
    const { value, selectionStart, selectionEnd } = this.#text;
    this.#asked = selectionStart === selectionEnd ? askedAt(value, selectionStart) : null;
    if (this.#asked?.from !== this.#closedAt) this.#closedAt = -1;
    const focused = document.activeElement === this.#text;
    this.#draw(this.#asked && focused && this.#closedAt < 0 ? matching(this.#names, this.#asked.query, this.#me) : []);
  }

  #close() {
    this.#asked = null;
    this.#draw([]);
  }

  #dismiss() {
    this.#closedAt = this.#asked?.from ?? -1;
    this.#draw([]);
  }

  /** @param {number} index */
  #take(index) {
    const name = this.#shown[index];
    if (!name || !this.#asked) return;
    const { value, selectionStart } = this.#text;
    const { from } = this.#asked;
    this.#close();
    this.#text.setRangeText(completed(value, selectionStart, name), from, selectionStart, 'end');
    this.#text.dispatchEvent(new InputEvent('input', { bubbles: true }));
    this.#close();
  }

  /** @param {string[]} names */
  #draw(names) {
    if (names.join() === this.#shown.join()) return;
    this.#shown = names;
    this.#list.replaceChildren(...names.map(option));
    show(this.#list, names.length > 0);
    if (names.length > 0) this.#choose(0);
    else this.#text.removeAttribute('aria-activedescendant');
  }

  /** @param {number} index */
  #choose(index) {
    this.#chosen = index;
    for (const [place, element] of [...this.#list.children].entries()) element.setAttribute('aria-selected', String(place === index));
    this.#text.setAttribute('aria-activedescendant', this.#list.children[index]?.id ?? '');
  }
}

/** @param {string} name @param {number} index */
function option(name, index) {
  const element = make('li', 'person', [avatar(name), make('span', 'name', name)]);
  element.id = `mention-${index}`;
  element.setAttribute('role', 'option');
  return element;
}
