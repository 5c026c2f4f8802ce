/**
 * What can be done with a message, and with a name: its link and its text copied, the text quoted and the name
 * written where one writes. The menu of a message is opened by the button in its row or by a key; when it
 * closes, the focus is where it was.
 */
import { currentRoom } from '../state.js';
import { exactTime } from '../words.js';
import { byId, make } from './dom.js';

/** "Copied" stays this long where it was asked for. */
const SAID_MS = 4_000;

/** A quote is a reminder: no more than this of what was said. */
const QUOTE_LINES = 3;
const QUOTE_CHARS = 160;

/** The menu that is open, and where the focus goes when it closes. @type {{menu: HTMLElement, row: HTMLElement} | null} */
let open = null;

/**
 * @typedef {object} Around
 * @property {() => import('../state.js').State} current
 * @property {() => void} closeDrawer
 */

/** The buttons of the row under the mouse and of the one with the focus. */
const more = { mouse: moreButton(), focus: moreButton() };

/** @type {Around['current']} */
let current;

/** @param {Around} around */
export function begin(around) {
  current = around.current;
  const list = byId('thread', HTMLDivElement);
  list.addEventListener('pointerover', ({ target, pointerType }) => pointerType === 'mouse' && offer(more.mouse, messageAt(target)));
  list.addEventListener('pointerleave', () => more.mouse.remove());
  list.addEventListener('focusin', ({ target }) => offer(more.focus, messageAt(target)));
  list.addEventListener('focusout', ({ relatedTarget }) => {
    // Under its menu a row keeps it.
    if (!open && messageAt(relatedTarget) !== more.focus.parentElement) more.focus.remove();
  });
  list.addEventListener('keydown', onRow);
  offer(more.focus, messageAt(document.activeElement));
  offer(more.mouse, messageAt(list.querySelector('.said:hover')));

  // Whatever is done elsewhere closes the menu; its own button does so itself.
  document.addEventListener('pointerdown', ({ target }) => target instanceof Element && !target.closest('.menu-of, .more') && close());
  document.addEventListener('wheel', close, { passive: true });
  // Not so a keyboard that goes down.
  window.addEventListener('resize', () => open && place(open.menu, open.row));

  const people = byId('people', HTMLElement);
  people.addEventListener('keydown', amongPeople);
  byId('people-list', HTMLUListElement).addEventListener('click', ({ target }) => {
    const name = target instanceof Element && target.closest('button')?.title;
    if (!name) return;
    around.closeDrawer();
    // Under an open drawer nothing takes the focus.
    requestAnimationFrame(() => mention(name));
  });
}

/** The message that something on the page belongs to. @param {EventTarget | null} target @returns {HTMLElement | null} */
function messageAt(target) {
  return target instanceof Element ? target.closest('#thread .said') : null;
}

function moreButton() {
  const button = make('button', 'more');
  button.type = 'button';
  // Keys open the menu from the row itself.
  button.tabIndex = -1;
  button.setAttribute('aria-label', 'More');
  button.setAttribute('aria-haspopup', 'menu');
  button.addEventListener('click', () => {
    const row = messageAt(button);
    if (row) showMenu(row);
  });
  return button;
}

/** One button in a row is enough. @param {HTMLElement} button @param {HTMLElement | null} row */
function offer(button, row) {
  if (!row?.dataset['seq']) button.remove();
  else if (!row.querySelector('.more')) row.append(button);
}

/** Enter and the keys for menus open it, and what copies elsewhere copies here. @param {KeyboardEvent} event */
function onRow(event) {
  const row = messageAt(event.target);
  const { key: name, ctrlKey, metaKey, shiftKey, altKey } = event;
  if (!row || altKey) return;
  const menu = (name === 'Enter' && event.target === row) || name === 'ContextMenu' || (name === 'F10' && shiftKey);
  const copies = name.toLowerCase() === 'c' && (ctrlKey || metaKey) && !shiftKey && String(getSelection()) === '';
  if (menu && row.dataset['seq']) showMenu(row);
  else if (copies) void copy(messageOf(row), row);
  else return;
  event.preventDefault();
}

/** As it was written. @param {HTMLElement} row */
function messageOf(row) {
  const { seq, id } = row.dataset;
  const { rows = [], waiting = [] } = currentRoom(current()) ?? {};
  return (rows.find((message) => String(message.seq) === seq) ?? waiting.find((other) => other.id === id))?.message ?? '';
}

/** Arrows lead from the field to the names found and among them, Enter takes the first. @param {KeyboardEvent} event */
function amongPeople(event) {
  const search = document.getElementById('people-search');
  const names = [...byId('people-list', HTMLUListElement).querySelectorAll('button')];
  const at = names.findIndex((button) => button === event.target);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.target !== search && at < 0) return;
  if (event.key === 'Enter' && search instanceof HTMLInputElement && at < 0 && search.value !== '') names[0]?.click();
  else if (step && names[at + step]) names[at + step]?.focus();
  else if (step === -1 && at === 0) search?.focus();
  else return;
  event.preventDefault();
}

/** @param {HTMLElement} row */
function showMenu(row) {
  const text = messageOf(row);
  const me = current().session?.username ?? '';
  const again = open?.row === row;
  close();
  if (again) return;
  const name = row.querySelector('.name, .unseen')?.textContent ?? '';
  const link = row.querySelector('a.time');
  const moment = row.querySelector('time')?.dateTime;
  const items = [
    link instanceof HTMLAnchorElement ? item('Copy link', () => void copy(link.href, row)) : null,
    item('Copy text', () => void copy(text, row)),
    item('Quote', () => write(`${lineBreak()}${quoted(text)}\n`)),
    name === me ? null : item(`Mention ${name}`, () => mention(name)),
  ];
  const list = make('div', '', items);
  list.setAttribute('role', 'menu');
  list.setAttribute('aria-label', `Message of ${name}`);
  const menu = make('div', 'menu-of', [make('p', 'hint', moment ? exactTime(Date.parse(moment)) : ''), list]);
  menu.popover = 'manual';
  menu.addEventListener('keydown', (event) => key(event, menu));
  // The key that opened it asks for the browser's own as well, on some systems when it is let go.
  menu.addEventListener('contextmenu', (event) => event.preventDefault());
  document.body.append(menu);
  open = { menu, row };
  row.querySelector('.more')?.setAttribute('aria-expanded', 'true');
  menu.showPopover();
  place(menu, row);
  focusItem(menu, 0);
}

/** Puts somebody's @name where one writes. @param {string} name */
function mention(name) {
  write(`@${name} `);
}

/**
 * Copies, and says so: aloud, and where it was asked for.
 * @param {string} text @param {HTMLElement} where a row, or the button itself
 */
export async function copy(text, where) {
  const said = (await copied(text)) ? 'Copied' : 'Could not be copied';
  const spoken = byId('spoken', HTMLParagraphElement);
  spoken.textContent = said;
  const place = where.matches('button') ? where : where.querySelector('.more');
  const before = place?.textContent ?? '';
  if (before === said) return;
  if (place) place.textContent = said;
  setTimeout(() => {
    if (place) place.textContent = before;
    // So that it is heard when it is said again.
    if (spoken.textContent === said) spoken.textContent = '';
  }, SAID_MS);
}

/** Pages that came without encryption have no clipboard; there a text that is selected can be copied. @param {string} text */
async function copied(text) {
  try {
    if (navigator.clipboard) return await navigator.clipboard.writeText(text).then(() => true);
  } catch {
    // Not allowed: the other way may be.
  }
  const focused = document.activeElement;
  const field = make('textarea', 'unseen');
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  return done;
}

/** @param {string} words @param {() => void} chosen */
function item(words, chosen) {
  const button = make('button', 'option', words);
  button.type = 'button';
  button.tabIndex = -1;
  button.setAttribute('role', 'menuitem');
  button.addEventListener('click', () => {
    close();
    chosen();
  });
  return button;
}

function close() {
  if (!open) return;
  const { menu, row } = open;
  open = null;
  const focused = menu.contains(document.activeElement) || document.activeElement === document.body;
  row.querySelector('.more')?.removeAttribute('aria-expanded');
  menu.remove();
  if (focused) row.focus({ preventScroll: true });
  else if (messageAt(document.activeElement) !== row) more.focus.remove();
}

/** @param {KeyboardEvent} event @param {HTMLElement} menu */
function key(event, menu) {
  const items = [...menu.querySelectorAll('button')];
  const at = items.findIndex((button) => button === document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (to !== undefined) focusItem(menu, to);
  else if (event.key === 'Escape' || event.key === 'Tab') close();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** @param {HTMLElement} menu @param {number} index any number: the first comes after the last */
function focusItem(menu, index) {
  const items = menu.querySelectorAll('button');
  items[(index + items.length) % items.length]?.focus({ preventScroll: true });
}

/** Below its button, or above where there is no room below; never outside of the window. @param {HTMLElement} menu @param {HTMLElement} row */
function place(menu, row) {
  const { right, bottom, top } = (row.querySelector('.more') ?? row).getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = bottom + height + 4 <= innerHeight;
  menu.style.left = `${Math.max(8, Math.min(right, innerWidth - 8) - width)}px`;
  menu.style.top = `${Math.max(8, below ? bottom : Math.min(top, innerHeight - 4) - height)}px`;
}

/** What somebody said, without what that person quoted. @param {string} text */
export function quoted(text) {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const own = lines.filter((line) => !/^> /.test(line));
  const all = (own.length > 0 ? own : lines.map((line) => line.replace(/^(> +)+/, ''))).join('\n');
  const chars = [...all.split('\n').slice(0, QUOTE_LINES).join('\n')].slice(0, QUOTE_CHARS).join('');
  return `> ${(chars === all ? all : `${chars.trimEnd()}…`).replaceAll('\n', '\n> ')}`;
}

/** A quote begins a line. */
function lineBreak() {
  const { value, selectionStart } = byId('text', HTMLTextAreaElement);
  return selectionStart === 0 || value[selectionStart - 1] === '\n' ? '' : '\n';
}

/** Puts it where the caret is, as if it were typed. @param {string} text */
function write(text) {
  const field = byId('text', HTMLTextAreaElement);
  const { value, selectionStart } = field;
  const apart = text.startsWith('@') && /\S$/.test(value.slice(0, selectionStart)) ? ' ' : '';
  field.setRangeText(apart + text, selectionStart, field.selectionEnd, 'end');
  field.dispatchEvent(new InputEvent('input', { bubbles: true }));
  field.focus({ preventScroll: true });
}
