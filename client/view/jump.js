/**
 * Finding and making rooms, by a few letters: a dialog that Ctrl+K opens from anywhere. The field
 * keeps the focus; the arrow keys choose among what is found.
 */
import { nothingFound, roomOptions } from '../rooms.js';
import { dayName } from '../words.js';
import { byId, keyed, make, setText, show } from './dom.js';

/** @typedef {import('../state.js').State} State */
/** @typedef {import('../rooms.js').RoomOption} RoomOption */
/**
 * @typedef {object} JumpActions
 * @property {() => void} opened
 * @property {() => void} close
 * @property {(room: string) => void} go
 * @property {(room: string) => void} create
 */

export class JumpView {
  #dialog = byId('jump', HTMLDialogElement);
  #query = byId('jump-query', HTMLInputElement);
  #list = byId('jump-list', HTMLUListElement);
  #hint = byId('jump-hint', HTMLParagraphElement);
  #actions;
  /** @type {Map<string, HTMLElement>} */
  #known = new Map();
  /** @type {RoomOption[]} */
  #options = [];
  #chosen = 0;
  /** @type {State | null} */
  #state = null;

  /** @param {JumpActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#dialog.addEventListener('close', () => actions.close());
    // A click on the dialog itself and not on what is in it is one beside it.
    this.#dialog.addEventListener('click', (event) => event.target === this.#dialog && this.#dialog.close());
    byId('jump-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#take(this.#options[this.#chosen]);
    });
    this.#query.addEventListener('input', () => {
      this.#chosen = 0;
      this.#draw();
    });
    this.#query.addEventListener('keydown', (event) => this.#key(event));
  }

  /** @param {State} state */
  render(state) {
    const before = this.#state;
    this.#state = state;
    const open = state.jump.open && state.session !== null;
    if (open && !this.#dialog.open) {
      this.#query.value = '';
      this.#chosen = 0;
      this.#dialog.showModal();
      this.#query.focus();
      this.#actions.opened();
    } else if (!open && this.#dialog.open) this.#dialog.close();
    if (open && (before?.jump !== state.jump || before.rooms !== state.rooms)) this.#draw();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.isComposing) return;
    event.preventDefault();
    const count = this.#options.length;
    if (count > 0) this.#chosen = (this.#chosen + step + count) % count;
    this.#draw();
    this.#list.children[this.#chosen]?.scrollIntoView({ block: 'nearest' });
  }

  /** @param {RoomOption | undefined} option */
  #take(option) {
    if (!option || this.#state?.jump.busy) return;
    if (option.kind === 'create') this.#actions.create(option.room);
    else this.#actions.go(option.room);
  }

  #draw() {
    const state = this.#state;
    if (!state) return;
    this.#options = roomOptions(state, this.#query.value);
    this.#chosen = Math.min(this.#chosen, Math.max(0, this.#options.length - 1));
    const items = this.#options.map((option, index) => ({ ...option, chosen: index === this.#chosen }));
    keyed(this.#list, items, (item, known) => this.#row(item, known, state.now), this.#known);
    const chosen = this.#list.children[this.#chosen];
    this.#query.setAttribute('aria-activedescendant', chosen?.id ?? '');
    const { error, rooms } = state.jump;
    const words = error ?? (this.#options.length > 0 ? '' : rooms === null ? 'Looking for rooms' : nothingFound(this.#query.value));
    this.#hint.classList.toggle('error', error !== null);
    show(this.#hint, words !== '');
    setText(this.#hint, words);
  }

  /** @param {RoomOption & {chosen: boolean}} option @param {HTMLElement | null} known @param {number} now */
  #row({ key, kind, room, joined, unread, userCount, lastAt, chosen }, known, now) {
    const row = known ?? make('li', 'option', [make('span', 'name'), make('span', 'meta')]);
    if (!known) {
      row.id = `jump:${key}`;
      row.setAttribute('role', 'option');
      // Before the field loses the focus.
      row.addEventListener('pointerdown', (event) => event.preventDefault());
      row.addEventListener('click', () => this.#take(this.#options.find((option) => option.key === key)));
    }
    row.classList.toggle('joined', joined);
    row.setAttribute('aria-selected', String(chosen));
    const [name, meta] = row.children;
    if (name) setText(name, kind === 'create' ? `Create “${room}”` : room);
    const words = [unread > 0 ? `${unread} new` : '', userCount === null ? '' : `${userCount} here`, lastAt === null ? '' : agoWord(lastAt, now)];
    if (meta) setText(meta, kind === 'create' ? 'a new room, open to everybody' : words.filter(Boolean).join(' · '));
    return row;
  }
}

/** How long ago, in a word. @param {number} at Unix milliseconds @param {number} now */
export function agoWord(at, now) {
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return dayName(at, now);
}
