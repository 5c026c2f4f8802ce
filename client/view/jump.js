/**
 * Finding and making rooms, by a few letters: a dialog that Ctrl+K opens from anywhere. The field
 * keeps the focus; the arrow keys choose among what is found. What is not there is made by a button of its
 * own, behind the field: no arrow comes upon it, and Enter in the field means it only where nothing is found.
 */
import { newRoom, nothingFound, roomOptions } from '../rooms.js';
import { dayName } from '../words.js';
import { byId, keyed, make, setText, show } from './dom.js';
import { showShortcuts } from './shortcuts.js';

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
  #list = make('ul', '');
  #hint = make('p', 'hint');
  #create = make('button', 'option create', [make('span', 'name'), make('span', 'meta', 'a new room, open to everybody')]);
  /** The room that it makes. @type {string | null} */
  #made = null;
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
    const close = make('button', 'icon-button', [document.querySelector('.close svg')?.cloneNode(true) ?? null]);
    Object.assign(close, { id: 'jump-close', type: 'button', ariaLabel: 'Close' });
    close.addEventListener('click', () => this.#dialog.close());
    Object.assign(this.#list, { id: 'jump-list', role: 'listbox', ariaLabel: 'Rooms', tabIndex: -1 });
    this.#hint.setAttribute('role', 'status');
    const form = byId('jump-form', HTMLFormElement);
    // A click on the dialog itself and not on what is in it is one beside it.
    this.#dialog.addEventListener('click', (event) => event.target === this.#dialog && this.#dialog.close());
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      // What was just typed counts, and not what the last frame showed.
      this.#draw();
      const option = this.#options[this.#chosen];
      if (option) this.#take(option);
      else this.#make();
    });
    this.#create.type = 'button';
    this.#create.addEventListener('click', () => this.#make());
    const shortcuts = make('button', 'link', 'Keyboard shortcuts');
    shortcuts.type = 'button';
    shortcuts.addEventListener('click', () => {
      this.#dialog.close();
      showShortcuts();
    });
    form.append(close, this.#list, this.#create, this.#hint, make('p', 'hint keyboard', [shortcuts]));
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
    if (open && !before?.jump.open) {
      // Ctrl+K has opened it already, so that no letter goes elsewhere.
      if (!this.#dialog.open) {
        this.#query.value = '';
        this.#dialog.showModal();
      }
      this.#chosen = 0;
      this.#actions.opened();
    } else if (!open && (before?.jump.open || !state.session) && this.#dialog.open) this.#dialog.close();
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
    // Not by the next frame, which may never have seen it open.
    this.#dialog.close();
    this.#actions.go(option.room);
  }

  #make() {
    if (this.#made !== null && !this.#state?.jump.busy) this.#actions.create(this.#made);
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
    this.#made = newRoom(this.#options, this.#query.value);
    show(this.#create, this.#made !== null);
    // What Enter does is marked.
    this.#create.classList.toggle('chosen', this.#options.length === 0);
    const [name] = this.#create.children;
    if (name) setText(name, `Create “${this.#made}”`);
    const { error, rooms } = state.jump;
    const words = error ?? (this.#options.length > 0 ? '' : rooms === null ? 'Looking for rooms' : nothingFound(this.#query.value));
    this.#hint.classList.toggle('error', error !== null);
    show(this.#hint, words !== '');
    setText(this.#hint, words);
  }

  /** @param {RoomOption & {chosen: boolean}} option @param {HTMLElement | null} known @param {number} now */
  #row({ key, room, joined, unread, userCount, lastAt, chosen }, known, now) {
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
    if (name) setText(name, room);
    const words = [unread > 0 ? `${unread} new` : '', userCount === null ? '' : `${userCount} here`, lastAt === null ? '' : agoWord(lastAt, now)];
    if (meta) setText(meta, words.filter(Boolean).join(' · '));
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
