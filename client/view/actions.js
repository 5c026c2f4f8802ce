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

/** A finger that rests so long, and moves no further than so, asks what can be done. */
const LONG_MS = 500;
const STILL_PX = 10;

/** The menu that is open, what it stands beside, and where the focus goes when it closes. @type {{menu: HTMLElement, row: HTMLElement, beside: Element, back: HTMLElement} | null} */
let open = null;
/** The room that is shown. */
let room = '';

/**
 * @typedef {object} Around
 * @property {() => import('../state.js').State} current
 * @property {() => void} closeDrawer
 * @property {(way: Way, id: string) => void} unsent with a message that is not in the log
 */
/** @typedef {import('../unsent.js').Way} Way */

/** The rows under the mouse and with the focus, and the button of each. @type {Record<'mouse' | 'focus', HTMLElement | null>} */
const here = { mouse: null, focus: null };
const more = { mouse: moreButton(), focus: moreButton() };
/** What the button of a row says instead of its dots. @type {{where: HTMLElement, words: string} | null} */
let told = null;

/** @type {Around['current']} */
let current;
/** @type {Around['unsent']} */
let unsent;

/** @param {Around} around */
export function begin(around) {
  ({ current, unsent } = around);
  const list = byId('thread', HTMLDivElement);
  list.addEventListener('pointerover', ({ target, pointerType }) => pointerType === 'mouse' && offer({ mouse: messageAt(target) }));
  list.addEventListener('pointerleave', () => offer({ mouse: null }));
  list.addEventListener('focusin', ({ target }) => offer({ focus: messageAt(target) }));
  list.addEventListener('focusout', ({ relatedTarget }) => offer({ focus: messageAt(relatedTarget) }));
  list.addEventListener('keydown', onRow);
  longPress(list);
  offer({ mouse: messageAt(list.querySelector('.said:hover')), focus: messageAt(document.activeElement) });

  // Whatever is done elsewhere closes the menu; its own button does so itself.
  document.addEventListener('pointerdown', ({ target }) => target instanceof Element && !target.closest('.menu-of, .more') && close());
  document.addEventListener('wheel', close, { passive: true });
  // A finger that opened it left the focus where it was.
  document.addEventListener('keydown', ({ key: name }) => name === 'Escape' && close());
  // Not so a keyboard that goes down.
  window.addEventListener('resize', () => open && place(open.menu, open.beside));

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

/** Another room has other messages, and what was sent meanwhile is another row. @param {import('../state.js').State} state */
export function render(state) {
  if (open && (state.current !== room || !open.row.isConnected || state.jump.open)) close();
  room = state.current;
}

/** Where a browser tells of it itself, and where it does not. @param {HTMLElement} list */
function longPress(list) {
  let timer = 0;
  let [x, y] = [0, 0];
  const asks = (/** @type {EventTarget | null} */ target) => {
    const row = messageAt(target);
    // A link has a menu of the browser's own.
    if (!row || (target instanceof Element && target.closest('a, button'))) return false;
    if (open?.row !== row) showMenu(row);
    return true;
  };
  const over = () => clearTimeout(timer);
  list.addEventListener('pointerdown', ({ target, pointerType, clientX, clientY }) => {
    over();
    [x, y] = [clientX, clientY];
    if (pointerType === 'touch') timer = window.setTimeout(() => asks(target), LONG_MS);
  });
  list.addEventListener('pointermove', ({ clientX, clientY }) => Math.hypot(clientX - x, clientY - y) > STILL_PX && over());
  for (const end of ['pointerup', 'pointercancel']) list.addEventListener(end, over);
  list.addEventListener('contextmenu', (event) => {
    over();
    if (event instanceof PointerEvent && event.pointerType === 'touch' && asks(event.target)) event.preventDefault();
  });
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

/** One button in a row is enough, and under its menu a row keeps it. @param {Partial<typeof here>} [moved] */
function offer(moved) {
  Object.assign(here, moved);
  if (open) return;
  put(more.mouse, here.mouse);
  put(more.focus, here.focus === here.mouse ? null : here.focus);
}

/** @param {HTMLElement} button @param {HTMLElement | null} row */
function put(button, row) {
  if (button.parentElement === row) return;
  button.textContent = row && told?.where === row ? told.words : '';
  if (row) row.append(button);
  else button.remove();
}

/** Enter and the keys for menus open it, and what copies elsewhere copies here. @param {KeyboardEvent} event */
function onRow(event) {
  const row = messageAt(event.target);
  const { key: name, ctrlKey, metaKey, shiftKey, altKey } = event;
  if (!row || altKey) return;
  const menu = (name === 'Enter' && event.target === row) || name === 'ContextMenu' || (name === 'F10' && shiftKey);
  const copies = name.toLowerCase() === 'c' && (ctrlKey || metaKey) && !shiftKey && String(getSelection()) === '';
  if (menu) showMenu(row);
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
  const said = link instanceof HTMLAnchorElement;
  const id = row.dataset['id'] ?? '';
  const items = [
    ...waysOf(row).map((way) => item(way, () => unsent(way, id))),
    said ? item('Copy link', () => void copy(link.href, row)) : null,
    item('Copy text', () => void copy(text, row)),
    said ? item('Quote', () => write(`${lineBreak()}${quoted(text, name)}\n`)) : null,
    name === me ? null : item(`Mention ${name}`, () => mention(name)),
  ];
  row.querySelector('.more')?.setAttribute('aria-expanded', 'true');
  show({ words: moment ? exactTime(Date.parse(moment)) : '', label: `Message of ${name}`, items, row, beside: row.querySelector('.more') ?? row, back: row });
}

/** What can be done with a message that is not in the log. @param {HTMLElement} row @returns {Way[]} */
function waysOf(row) {
  if (row.matches('.refused')) return ['Edit', 'Retry', 'Delete'];
  return row.matches('.waiting') ? ['Edit', 'Delete'] : [];
}

/**
 * Asks before a message is taken back that may be in the log already.
 * @param {string} id @param {Way} way what was asked for @param {(way: Way) => void} chosen
 */
export function ask(id, way, chosen) {
  const found = document.querySelector(`#thread [data-id="${CSS.escape(id)}"]`);
  // Who reads far above has none of what waits on the page.
  const row = found instanceof HTMLElement ? found : byId('composer', HTMLFormElement);
  const { activeElement: focused } = document;
  const ways = waysOf(row);
  if (ways.length === 0) ways.push('Edit', 'Delete');
  close();
  row.scrollIntoView({ block: 'nearest' });
  const words = 'It may have been sent already.';
  const items = ways.map((its) => item(`${its} anyway`, () => chosen(its)));
  show({ words, label: words, items, row, beside: row.querySelector('.actions') ?? row, back: focused instanceof HTMLElement && focused !== document.body ? focused : row }, ways.indexOf(way));
}

/**
 * @param {{words: string, label: string, items: (HTMLElement | null)[], row: HTMLElement, beside: Element, back: HTMLElement}} what
 * @param {number} [at] the item that has the focus first
 */
function show({ words, label, items, row, beside, back }, at = 0) {
  const list = make('div', '', items);
  list.setAttribute('role', 'menu');
  list.setAttribute('aria-label', label);
  const menu = make('div', 'menu-of', [make('p', 'hint', words), list]);
  menu.popover = 'manual';
  menu.addEventListener('keydown', (event) => key(event, menu));
  // The key that opened it asks for the browser's own as well, on some systems when it is let go.
  menu.addEventListener('contextmenu', (event) => event.preventDefault());
  document.body.append(menu);
  open = { menu, row, beside, back };
  menu.showPopover();
  place(menu, beside);
  focusItem(menu, at);
}

/** Puts somebody's @name where one writes. @param {string} name */
function mention(name) {
  write(`@${name} `);
}

/** Takes "Copied" away. */
let unsay = () => {};

/**
 * Copies, and says so: aloud, and where it was asked for.
 * @param {string} text @param {HTMLElement} where a row, or the button itself
 */
export async function copy(text, where) {
  const words = (await copied(text)) ? 'Copied' : 'Could not be copied';
  unsay();
  const before = buttonOf(where)?.textContent ?? '';
  const spoken = byId('spoken', HTMLParagraphElement);
  const say = (/** @type {string} */ now) => {
    const button = buttonOf(where);
    if (button) button.textContent = now;
  };
  told = { where, words };
  say(words);
  spoken.textContent = words;
  unsay = () => {
    clearTimeout(timer);
    told = null;
    say(before);
    // So that it is heard when it is said again.
    if (spoken.textContent === words) spoken.textContent = '';
  };
  const timer = setTimeout(unsay, SAID_MS);
}

/** The one that was pressed, or that a row has at the moment. @param {HTMLElement} where */
function buttonOf(where) {
  return where.matches('button') ? where : where.querySelector('.more');
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
  const { menu, row, back } = open;
  open = null;
  const focused = menu.contains(document.activeElement) || document.activeElement === document.body;
  row.querySelector('.more')?.removeAttribute('aria-expanded');
  menu.remove();
  if (focused) (back.isConnected ? back : row).focus({ preventScroll: true });
  offer();
}

/** @param {KeyboardEvent} event @param {HTMLElement} menu */
function key(event, menu) {
  const items = [...menu.querySelectorAll('button')];
  const at = items.findIndex((button) => button === document.activeElement);
  // To another room, which closes it.
  if (event.altKey) return;
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (to !== undefined) focusItem(menu, to);
  else if (event.key === 'Escape' || event.key === 'Tab') close();
  // A key that is held down chooses nothing.
  else if (event.key !== 'Enter' || !event.repeat) return;
  event.preventDefault();
  event.stopPropagation();
}

/** @param {HTMLElement} menu @param {number} index any number: the first comes after the last */
function focusItem(menu, index) {
  const items = menu.querySelectorAll('button');
  items[(index + items.length) % items.length]?.focus({ preventScroll: true });
}

/** Below its button, or above where there is no room below; never outside of the window. @param {HTMLElement} menu @param {Element} beside */
function place(menu, beside) {
  const { left, right, bottom, top } = beside.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = bottom + height + 4 <= innerHeight;
  const edge = beside.matches('.actions') ? left + width : right;
  menu.style.left = `${Math.max(8, Math.min(edge, innerWidth - 8) - width)}px`;
  menu.style.top = `${Math.max(8, below ? bottom : Math.min(top, innerHeight - 4) - height)}px`;
}

/** What somebody said, without what that person quoted. @param {string} text @param {string} name */
export function quoted(text, name) {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const own = lines.filter((line) => !/^> /.test(line));
  const all = (own.length > 0 ? own : lines.map((line) => line.replace(/^(> +)+/, ''))).join('\n');
  const chars = [...all.split('\n').slice(0, QUOTE_LINES).join('\n')].slice(0, QUOTE_CHARS).join('');
  // What is only a quote was said by somebody else.
  const by = own.length > 0 ? `${name}: ` : '';
  return `> ${by}${(chars === all ? all : `${chars.trimEnd()}…`).replaceAll('\n', '\n> ')}`;
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
