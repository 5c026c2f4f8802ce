/**
 * What lies around the room: rooms and account on one side, people on the other; and what a reader sees of the
 * page who does not look at it.
 */
import { currentRoom, mentionsIn, unreadCount, unreadIn, unsentIn } from '../state.js';
import { newsWords, pageTitle, troubleLine, unsentLine } from '../words.js';
import { byId, choice, keyed, make, setText, show, themeSwitch } from './dom.js';

/** @typedef {import('../state.js').State} State */
/** @typedef {import('../state.js').Notify} Notify */
/**
 * @typedef {object} MenuActions
 * @property {(drawer: State['drawer']) => void} openDrawer
 * @property {() => void} askToLeave
 * @property {() => void} leave
 * @property {() => void} stay
 * @property {(theme: import('../state.js').Theme) => void} setTheme
 * @property {(room: string) => void} go
 * @property {() => void} askToPart
 * @property {() => void} leaveRoom
 * @property {() => void} remain
 * @property {() => void} jump
 * @property {() => void} changePassword
 */

/**
 * The left column: rooms, who one is, the theme, the way out. On narrow screens it and the people lie
 * over the room as drawers; there Escape and a touch beside them close them, and the focus goes back.
 * What lies under an open drawer is out of reach of every kind of input.
 */
export class MenuView {
  #chat = byId('chat', HTMLDivElement);
  #menu = byId('menu', HTMLElement);
  #people = byId('people', HTMLElement);
  #room = byId('room', HTMLElement);
  #scrim = byId('scrim', HTMLDivElement);
  #openMenu = byId('open-menu', HTMLButtonElement);
  #news = byId('menu-news', HTMLSpanElement);
  #newsWords = byId('menu-news-words', HTMLSpanElement);
  #openPeople = byId('open-people', HTMLButtonElement);
  #rooms = byId('rooms', HTMLUListElement);
  #roomName = byId('room-name', HTMLHeadingElement);
  #leaveRoom = byId('leave-room', HTMLButtonElement);
  #name = byId('menu-name', HTMLSpanElement);
  #me = byId('me', HTMLElement);
  #account = byId('account', HTMLDetailsElement);
  #signOut = byId('sign-out', HTMLButtonElement);
  #theme;
  #leaving;
  #parting;
  /** @type {Map<string, HTMLElement>} */
  #known = new Map();
  #current = '';
  /** @type {State['drawer']} */
  #drawer = 'none';
  /** @type {string | null} */
  #username = null;
  #touched = false;

  /** @param {MenuActions} actions */
  constructor(actions) {
    this.#theme = themeSwitch('menu', actions.setTheme);
    byId('menu-theme', HTMLDivElement).append(this.#theme.element);
    this.#openMenu.addEventListener('click', () => actions.openDrawer('menu'));
    this.#openPeople.addEventListener('click', () => actions.openDrawer('people'));
    for (const closer of [this.#scrim, ...this.#chat.querySelectorAll('[data-close]')]) {
      closer.addEventListener('click', () => actions.openDrawer('none'));
    }
    document.addEventListener('keydown', (event) => {
      this.#touched = false;
      // What has the focus after a touch needs no ring before the focus moves on.
      if (event.key === 'Tab') this.#chat.classList.remove('touched');
      if (event.key === 'Escape') actions.openDrawer('none');
    });
    document.addEventListener('pointerdown', ({ pointerType }) => (this.#touched = pointerType === 'touch'));
    // What was a drawer becomes a column, and a column lies over nothing.
    for (const [drawer, width] of [['menu', '(min-width: 47.5em)'], ['people', '(min-width: 68.75em)']]) {
      matchMedia(width ?? '').addEventListener('change', () => this.#drawer === drawer && actions.openDrawer('none'));
    }
    byId('open-jump', HTMLButtonElement).addEventListener('click', () => actions.jump());
    byId('open-password', HTMLButtonElement).addEventListener('click', () => actions.changePassword());
    this.#signOut.addEventListener('click', () => actions.askToLeave());
    const low = matchMedia('(max-height: 640px)');
    const fold = () => (this.#account.open = !low.matches || this.#signOut.hidden === true);
    low.addEventListener('change', fold);
    fold();
    this.#leaveRoom.addEventListener('click', () => actions.askToPart());
    this.#leaving = new Question('leave', this.#signOut, 'Sign out', actions.leave, actions.stay);
    this.#parting = new Question('part', this.#leaveRoom, 'Leave', actions.leaveRoom, actions.remain);
    this.#rooms.addEventListener('click', (event) => {
      const link = event.target instanceof Element && event.target.closest('a');
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      actions.go(link.hash.slice(1));
    });
  }

  /** @param {State} state */
  render(state) {
    this.#theme.render(state.theme);
    setText(this.#name, state.server?.name ?? 'Chorus');
    setText(this.#roomName, state.current);
    this.#roomName.title = state.current;
    show(this.#leaveRoom, state.current !== 'lobby' && !currentRoom(state)?.closed?.missing);
    this.#leaveRoom.setAttribute('aria-label', `Leave ${state.current}`);
    this.#leaveRoom.title = `Leave ${state.current}`;
    this.#drawPerson(state.session?.username ?? null);
    this.#drawRooms(state);
    const waiting = Object.values(state.rooms).filter(unsentIn);
    const drafts = Object.keys(state.drafts);
    const messages = waiting.reduce((sum, room) => sum + unsentIn(room), 0);
    this.#leaving.render(state.leaving, unsentLine(messages, drafts.length, [...new Set([...waiting.map(({ name }) => name), ...drafts])]));
    show(this.#signOut, !state.leaving);
    this.#parting.render(state.parting, unsentLine(unsentIn(currentRoom(state)), 0));
    this.#drawDrawer(state.drawer);
  }

  /** @param {string | null} username */
  #drawPerson(username) {
    if (username === this.#username) return;
    this.#username = username;
    const name = make('span', 'name', username ?? '');
    name.title = username ?? '';
    this.#me.replaceChildren(...(username ? [avatar(username), name] : []));
  }

  /** @param {State} state */
  #drawRooms(state) {
    const { rooms, current, drafts } = state;
    const items = Object.values(rooms)
      .filter(({ closed }) => !closed?.missing)
      .map((room) => ({ key: room.name, unread: unreadIn(state, room), mentions: mentionsIn(state, room), draft: room.name !== current && drafts[room.name] !== undefined }));
    items.sort((a, b) => Number(b.key === 'lobby') - Number(a.key === 'lobby') || (a.key < b.key ? -1 : 1));
    keyed(this.#rooms, items, (item, known) => {
      const row = known ?? roomRow(item.key);
      const [link] = row.children;
      const [, draft, at, badge, words] = link?.children ?? [];
      if (!link || !draft || !at || !badge || !words) return row;
      link.setAttribute('aria-current', item.key === current ? 'page' : 'false');
      setText(words, newsWords(item));
      row.classList.toggle('unread', item.unread > 0);
      setText(draft, item.draft ? 'Draft' : '');
      setText(at, item.mentions > 0 ? '@' : '');
      setText(badge, inBadge(item.unread));
      return row;
    }, this.#known);
    if (current !== this.#current) this.#known.get(current)?.scrollIntoView({ block: 'nearest' });
    this.#current = current;
    // What is new elsewhere is seen where the list is a drawer, too.
    const elsewhere = { unread: 0, mentions: 0, draft: false };
    for (const { key, unread, mentions } of items) {
      if (key === current) continue;
      elsewhere.unread += unread;
      elsewhere.mentions += mentions;
    }
    // No wider than its button.
    const at = elsewhere.mentions > 0 ? '@' : '';
    setText(this.#news, elsewhere.unread > 9 ? at || '9+' : at + inBadge(elsewhere.unread));
    setText(this.#newsWords, newsWords(elsewhere));
  }

  /** @param {State['drawer']} drawer */
  #drawDrawer(drawer) {
    if (drawer === this.#drawer) return;
    const closed = this.#drawer;
    this.#drawer = drawer;
    this.#chat.dataset['drawer'] = drawer;
    show(this.#scrim, drawer !== 'none');
    this.#room.inert = drawer !== 'none';
    this.#menu.inert = drawer === 'people';
    this.#people.inert = drawer === 'menu';
    this.#openMenu.setAttribute('aria-expanded', String(drawer === 'menu'));
    this.#openPeople.setAttribute('aria-expanded', String(drawer === 'people'));
    // A finger knows where it was.
    this.#chat.classList.toggle('touched', this.#touched);
    if (drawer === 'menu') this.#menu.focus();
    else if (drawer === 'people') this.#people.focus();
    else (closed === 'menu' ? this.#openMenu : this.#openPeople).focus();
  }
}

/** Asks before what waits is lost, where one wanted to leave it. Answered, the focus goes back to what asked. */
class Question {
  #box;
  #text;
  #asker;
  #yes;
  #no;
  /** What the button says while something would be lost. */
  #costly;
  #plain;

  /** @param {string} id @param {HTMLElement} asker @param {string} plain what its button says once nothing would be lost @param {() => void} leave @param {() => void} stay */
  constructor(id, asker, plain, leave, stay) {
    this.#box = byId(`${id}-question`, HTMLDivElement);
    this.#text = byId(`${id}-text`, HTMLParagraphElement);
    this.#no = byId(`${id}-no`, HTMLButtonElement);
    this.#asker = asker;
    this.#plain = plain;
    this.#yes = byId(`${id}-yes`, HTMLButtonElement);
    this.#costly = this.#yes.textContent ?? '';
    this.#yes.addEventListener('click', () => leave());
    this.#no.addEventListener('click', () => stay());
  }

  /** @param {boolean} open @param {string} line what would be lost */
  render(open, line) {
    const asked = open && this.#box.hidden;
    const answered = !open && this.#box.contains(document.activeElement);
    // All was sent in the meantime: the question stays, for an Enter may be on its way to the answer.
    if (open) {
      setText(this.#text, line === '' ? 'Everything is sent.' : line);
      setText(this.#yes, line === '' ? this.#plain : this.#costly);
      this.#yes.classList.toggle('danger', line !== '');
    }
    show(this.#box, open);
    if (asked) this.#no.focus();
    if (!answered) return;
    show(this.#asker, true);
    this.#asker.focus();
  }
}

/** @param {string} room */
function roomRow(room) {
  const name = make('span', 'name', room);
  name.title = room;
  const marks = ['draft', 'at', 'badge'].map((kind) => make('span', kind));
  // Behind them it is said in words.
  for (const mark of marks) mark.setAttribute('aria-hidden', 'true');
  const link = make('a', '', [name, ...marks, make('span', 'unseen')]);
  link.href = `#${room}`;
  return make('li', '', [link]);
}

/** @param {number} unread */
function inBadge(unread) {
  return unread === 0 ? '' : unread > 99 ? '99+' : String(unread);
}

/** @type {[Notify, string][]} */
const CHOICES = [
  ['off', 'Off'],
  ['mentions', 'Mentions'],
  ['all', 'All'],
];

/**
 * How the page reaches a reader who does not look at the thread: the number in its title, the dot on its
 * icon. And the choice, in the menu, whether to be notified as well. (What a screen reader hears: spoken.js.)
 */
export class AttentionView {
  #icon = document.querySelector('link[rel="icon"]');
  #plain = this.#icon?.getAttribute('href') ?? '';
  #place = byId('menu-notify', HTMLDivElement);
  #trouble = make('p', 'hint');
  #choice;

  /** @param {{notify: (wanted: Notify) => void, possible: boolean}} actions possible: this browser knows notifications */
  constructor({ notify, possible }) {
    this.#choice = choice({ name: 'notify', legend: make('legend', 'hint', 'Notifications'), choices: CHOICES, choose: notify });
    this.#trouble.setAttribute('role', 'status');
    this.#place.append(this.#choice.element, this.#trouble);
    show(this.#place, possible);
  }

  /** @param {State} state */
  render(state) {
    const { session, server, current, notify, notifyTrouble } = state;
    const name = server?.name ?? 'Chorus';
    const unread = unreadCount(state);
    if (session) document.title = pageTitle(unread, current, name);
    const icon = unread > 0 ? 'favicon-unread.svg' : this.#plain;
    if (this.#icon?.getAttribute('href') !== icon) this.#icon?.setAttribute('href', icon);
    this.#choice.render(notify);
    setText(this.#trouble, troubleLine(notifyTrouble));
  }
}

/** Whether this browser knows notifications at all. */
export function knowsNotifications() {
  return 'Notification' in window;
}

/** A choice that is kept holds only as long as the permission does. @param {Notify} kept @returns {Notify} */
export function permitted(kept) {
  return knowsNotifications() && Notification.permission === 'granted' ? kept : 'off';
}

/** With numbers as people count. */
const byName = new Intl.Collator('en', { numeric: true });

/** From so many people on there is a field to search by. */
const MANY = 12;

/** Who is here: the reader first, the others by name; where they are many, a field finds somebody (people-search.js). */
export class PeopleView {
  #list = byId('people-list', HTMLUListElement);
  #count = byId('people-count', HTMLSpanElement);
  #open = byId('open-people', HTMLButtonElement);
  #short = byId('people-count-short', HTMLSpanElement);
  #word = byId('people-word', HTMLSpanElement);
  #more = byId('people-more', HTMLParagraphElement);
  #search;
  /** Once there are many. @type {import('./people-search.js').PeopleSearch | null} */
  #field = null;
  /** @type {Map<string, HTMLElement>} */
  #known = new Map();
  /** @type {State | null} */
  #state = null;
  /** What the list was drawn from. @type {unknown[]} */
  #drawn = [];

  /** @param {{search: () => Promise<import('./people-search.js').PeopleSearch>}} actions search: loads it */
  constructor({ search }) {
    this.#search = search;
  }

  /** @param {State} state */
  render(state) {
    this.#state = state;
    this.#field?.render(state);
    this.#draw();
  }

  async #begin() {
    try {
      this.#field = await this.#search();
      if (this.#state) this.render(this.#state);
    } catch {
      // They are read by scrolling; the next who comes asks again.
    }
  }

  #draw() {
    const state = this.#state;
    if (!state) return;
    const room = currentRoom(state);
    const from = [room?.users, room?.userCount, this.#field?.query, this.#field?.everybody];
    if (from.every((part, index) => part === this.#drawn[index])) return;
    this.#drawn = from;
    const me = state.session?.username ?? '';
    const live = room?.users ?? [];
    const found = [...(this.#field?.find(live) ?? live)].sort(byName.compare);
    const shown = found.includes(me) ? [me, ...found.filter((name) => name !== me)] : found;
    keyed(this.#list, shown.map((name) => ({ key: name, you: name === me })), draw, this.#known);
    // One stop of the Tab key for all.
    for (const [index, button] of this.#list.querySelectorAll('button').entries()) button.tabIndex = index === 0 ? 0 : -1;
    const count = room?.userCount ?? 0;
    if (count >= MANY && !this.#field) void this.#begin();
    // Until somebody said who is here, nobody would be wrong.
    setText(this.#count, count > 0 ? String(count) : '');
    setText(this.#short, count > 0 ? `${count} ` : '');
    setText(this.#word, count > 0 ? 'here' : 'People');
    // On a phone the word is not shown.
    this.#open.setAttribute('aria-label', count > 0 ? `${count} here` : 'People');
    this.#field?.show(count >= MANY);
    const more = this.#field?.words(shown.length, count) ?? (count > shown.length ? `and ${count - shown.length} more` : '');
    show(this.#more, more !== '');
    setText(this.#more, more);
  }
}

/** @param {{key: string, you: boolean}} item @param {HTMLElement | null} known */
function draw({ key: name, you }, known) {
  if (known) return known;
  const label = make('span', 'name', name);
  label.title = name;
  if (you) return make('li', 'person', [avatar(name), label, make('span', 'you', 'you')]);
  const button = make('button', 'person', [avatar(name), make('span', 'unseen', 'Mention '), label]);
  button.type = 'button';
  button.title = name;
  return make('li', '', [button]);
}

/** A person's hue follows from the name, the same everywhere and always. @param {string} username @returns {number} degrees */
export function hue(username) {
  let hash = 2166136261;
  for (const char of username.toLowerCase()) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619);
  // The low bits of this hash differ little between short names; mix once more.
  hash = Math.imul(hash ^ (hash >>> 15), 2246822507);
  return ((hash ^ (hash >>> 13)) >>> 0) % 360;
}

/** @param {HTMLElement} element @param {string} username */
export function coloured(element, username) {
  element.style.setProperty('--hue', String(hue(username)));
  return element;
}

/** @param {string} username */
export function avatar(username) {
  const element = make('span', 'avatar', [...username][0]?.toUpperCase() ?? '');
  element.setAttribute('aria-hidden', 'true');
  return coloured(element, username);
}
