/**
 * The keys of the room, for whoever has no pointer or does not want one: from message to message, from room
 * to room, and from everywhere back to where one writes. What has a meaning of its own where the focus is
 * (a field, a dialog, an open drawer) keeps it.
 */
import { currentRoom } from '../state.js';
import { byId } from './dom.js';
import { beside, inChunk, RowFocus, STOPS } from './row-focus.js';
import { showShortcuts } from './shortcuts.js';

/** @typedef {-1 | 1} Step towards the older and up, or the newer and down */
/**
 * @typedef {object} KeyActions
 * @property {() => void} home puts the focus where one writes
 * @property {() => void} toNewest
 * @property {(room: string) => void} go
 */

/** A page leaves some of what was read in sight. */
const PAGE = 0.85;

/** @type {{[key: string]: Step}} */
const ARROWS = { ArrowUp: -1, ArrowDown: 1 };
/** @type {{[key: string]: Step}} */
const PAGES = { PageUp: -1, PageDown: 1 };

export class Keys {
  #chat = byId('chat', HTMLDivElement);
  #scroll = byId('scroll', HTMLDivElement);
  #list = byId('thread', HTMLDivElement);
  #text = byId('text', HTMLTextAreaElement);
  #newer = byId('newer', HTMLButtonElement);
  #rooms = byId('rooms', HTMLUListElement);
  #focus = new RowFocus(this.#list);
  /** As it was drawn last. @type {import('../state-room.js').RoomState | undefined} */
  #room;
  #actions;
  /** The last that was touched was a key. */
  used = true;

  /** @param {KeyActions} actions */
  constructor(actions) {
    this.#actions = actions;
    addEventListener('pointerdown', () => (this.used = false), true);
    addEventListener('keydown', () => (this.used = true), true);
    document.addEventListener('keydown', (event) => {
      if (event.defaultPrevented || event.isComposing || this.#chat.hidden || document.querySelector('dialog[open]')) return;
      const target = event.target instanceof HTMLElement ? event.target : document.body;
      if (this.#key(event, target)) event.preventDefault();
    });
  }

  /** After the rows were drawn. @param {import('../state.js').State} state */
  render(state) {
    const room = currentRoom(state);
    if (room === this.#room) return;
    this.#room = room;
    this.#focus.render();
  }

  /**
   * Whether a frame took away what had the focus, and there is nothing that stands for it: the same message
   * made anew or elsewhere, or another one that is not sent.
   * @param {Element} focused before the frame
   */
  lost(focused) {
    const now = document.activeElement;
    if (focused === document.body || (now && now !== document.body && !now.closest('[hidden]'))) return false;
    const gone = focused.closest('.said');
    if (!(gone instanceof HTMLElement)) return true;
    const row = this.#list.querySelector(`[data-id="${CSS.escape(gone.dataset['id'] ?? '')}"]`) ?? [...this.#list.querySelectorAll('.waiting, .refused')].at(-1);
    if (row instanceof HTMLElement) row.focus({ preventScroll: true });
    return !row;
  }

  /** @param {KeyboardEvent} event @param {HTMLElement} target @returns {boolean | void} whether it meant something here */
  #key(event, target) {
    const { key, ctrlKey, metaKey, altKey, shiftKey } = event;
    const command = ctrlKey || metaKey;
    if (command && !altKey && key === '/') return showShortcuts(), true;
    if (altKey && !command && ARROWS[key]) return this.#toRoom(ARROWS[key], shiftKey), true;
    if (command || altKey) return false;
    if (target === this.#text) return this.#whileWriting(event);
    if (key === 'Escape') return this.#escape(target);
    if (target.closest('input, textarea, select')) return false;
    if (key === '?') return showShortcuts(), true;
    const room = target.closest('#rooms a');
    if (room) return this.#amongRooms(room, key);
    const row = target.closest(STOPS);
    if (row instanceof HTMLElement && this.#list.contains(row) && this.#fromRow(row, key)) return true;
    if (target === this.#newer && this.#fromNewer(key)) return true;
    // A letter is the beginning of a message: with the focus here, it goes there.
    if (key.length === 1 && key !== ' ' && (target === document.body || target === this.#newer || this.#scroll.contains(target))) this.#actions.home();
    return false;
  }

  /** @param {KeyboardEvent} event */
  #whileWriting({ key, shiftKey }) {
    // What stands there stays.
    if (key === 'Escape') return this.#actions.toNewest(), true;
    const step = PAGES[key];
    // A text that is longer than its field is read first.
    if (!step || shiftKey || this.#text.scrollHeight > this.#text.clientHeight) return false;
    this.#scroll.scrollTop += step * PAGE * this.#scroll.clientHeight;
    return true;
  }

  /** @param {HTMLElement} target */
  #escape(target) {
    // Closed by the same key; the focus goes where it was opened.
    if (this.#chat.dataset['drawer'] !== 'none' && this.#chat.dataset['drawer'] !== undefined) return false;
    // Of the two answers to a question the last one changes nothing.
    const harmless = target.closest('[role="alertdialog"]')?.querySelector('button:last-of-type');
    if (harmless instanceof HTMLElement) harmless.click();
    else this.#actions.home();
    return true;
  }

  /** @param {Step} step @param {boolean} unread only where something is new */
  #toRoom(step, unread) {
    const links = [...this.#rooms.querySelectorAll('a')];
    const from = links.findIndex((link) => link.getAttribute('aria-current') === 'page');
    for (let index = from + step; index >= 0 && index < links.length; index += step) {
      const link = links[index];
      if (link && (!unread || link.parentElement?.classList.contains('unread'))) return this.#actions.go(link.hash.slice(1));
    }
  }

  /** @param {Element} link @param {string} key */
  #amongRooms(link, key) {
    const links = [...this.#rooms.querySelectorAll('a')];
    const at = links.findIndex((other) => other === link);
    const next = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: links.length - 1 }[key];
    if (next === undefined) return false;
    links[next]?.focus();
    return true;
  }

  /** @param {HTMLElement} row @param {string} key */
  #fromRow(row, key) {
    const [arrow, page] = [ARROWS[key], PAGES[key]];
    if (arrow) focus(beside(row, arrow, STOPS));
    else if (page) this.#aPageFrom(row, page);
    else if (key === 'Home') focus(inChunk(this.#list.firstElementChild, 1, STOPS));
    else if (key === 'End') this.#toLast();
    else return false;
    return true;
  }

  /** As from the last row in sight, to which an arrow leads first. @param {string} key */
  #fromNewer(key) {
    const row = this.#focus.inSight();
    if (!row) return false;
    if (!ARROWS[key]) return this.#fromRow(row, key);
    focus(row);
    return true;
  }

  /** To the row that is a page away; it stands then where the other stood. @param {HTMLElement} row @param {Step} step */
  #aPageFrom(row, step) {
    const { top } = row.getBoundingClientRect();
    const page = PAGE * this.#scroll.clientHeight;
    /** @type {HTMLElement} */
    let last = row;
    let way = 0;
    for (let next = beside(row, step, STOPS); next && Math.abs(way) < page; next = beside(next, step, STOPS)) {
      last = next;
      way = next.getBoundingClientRect().top - top;
    }
    this.#scroll.scrollTop += way;
    focus(last);
  }

  #toLast() {
    const last = () => focus(inChunk(this.#list.lastElementChild, -1, STOPS));
    if (this.#list.querySelector('.bottom') === null) return last();
    // The newest are not in the page: they are, from the next frame on.
    this.#actions.toNewest();
    requestAnimationFrame(last);
  }
}

/** @param {HTMLElement | null} row */
function focus(row) {
  const target = row?.matches('.said') ? row : row?.querySelector('.fold');
  if (!row || !(target instanceof HTMLElement)) return;
  target.focus({ preventScroll: true });
  row.scrollIntoView({ block: 'nearest' });
}
