/**
 * The left column: rooms, who one is, the theme, the way out. On narrow screens it and the people lie
 * over the room as drawers; there Escape and a touch beside them close them, and the focus goes back.
 * What lies under an open drawer is out of reach of every kind of input.
 */
import { unreadIn } from '../state.js';
import { byId, keyed, make, setText, show } from './dom.js';
import { avatar } from './person.js';
import { themeSwitch } from './theme-switch.js';

/** @typedef {import('../state.js').State} State */
/**
 * @typedef {object} MenuActions
 * @property {(drawer: State['drawer']) => void} openDrawer
 * @property {() => void} askToLeave
 * @property {() => void} leave
 * @property {() => void} stay
 * @property {(theme: import('../state.js').Theme) => void} setTheme
 * @property {(room: string) => void} leaveRoom
 */

export class MenuView {
  #chat = byId('chat', HTMLDivElement);
  #menu = byId('menu', HTMLElement);
  #people = byId('people', HTMLElement);
  #room = byId('room', HTMLElement);
  #scrim = byId('scrim', HTMLDivElement);
  #openMenu = byId('open-menu', HTMLButtonElement);
  #openPeople = byId('open-people', HTMLButtonElement);
  #rooms = byId('rooms', HTMLUListElement);
  #roomName = byId('room-name', HTMLHeadingElement);
  #notice = byId('account-notice', HTMLParagraphElement);
  #leaveRoom = byId('leave-room', HTMLButtonElement);
  #name = byId('menu-name', HTMLSpanElement);
  #me = byId('me', HTMLParagraphElement);
  #question = byId('leave-question', HTMLDivElement);
  #leaveText = byId('leave-text', HTMLParagraphElement);
  #stay = byId('leave-no', HTMLButtonElement);
  #signOut = byId('sign-out', HTMLButtonElement);
  #actions;
  #theme;
  /** @type {Map<string, HTMLElement>} */
  #known = new Map();
  /** @type {State['drawer']} */
  #drawer = 'none';
  /** @type {string | null} */
  #username = null;

  /** @param {MenuActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#theme = themeSwitch('menu', actions.setTheme);
    byId('menu-theme', HTMLDivElement).append(this.#theme.element);
    this.#openMenu.addEventListener('click', () => actions.openDrawer('menu'));
    this.#openPeople.addEventListener('click', () => actions.openDrawer('people'));
    for (const closer of [this.#scrim, ...this.#chat.querySelectorAll('[data-close]')]) {
      closer.addEventListener('click', () => actions.openDrawer('none'));
    }
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') actions.openDrawer('none');
    });
    // What was a drawer becomes a column, and a column lies over nothing.
    for (const [drawer, width] of [['menu', '(min-width: 760px)'], ['people', '(min-width: 1100px)']]) {
      matchMedia(width ?? '').addEventListener('change', () => this.#drawer === drawer && actions.openDrawer('none'));
    }
    this.#signOut.addEventListener('click', () => actions.askToLeave());
    byId('leave-yes', HTMLButtonElement).addEventListener('click', () => actions.leave());
    this.#stay.addEventListener('click', () => actions.stay());
    this.#leaveRoom.addEventListener('click', () => actions.leaveRoom(this.#roomName.textContent ?? ''));
    // A room that is shown already is entered again, which closes the drawer.
    this.#rooms.addEventListener('click', () => actions.openDrawer('none'));
  }

  /** @param {State} state */
  render(state) {
    this.#theme.render(state.theme);
    setText(this.#name, state.server?.name ?? 'Chorus');
    setText(this.#roomName, state.current);
    show(this.#notice, state.notice !== null);
    setText(this.#notice, state.notice ?? '');
    // Nobody leaves by mistake while something of theirs waits there.
    show(this.#leaveRoom, state.current !== 'lobby' && (state.rooms[state.current]?.waiting.length ?? 0) === 0);
    this.#leaveRoom.setAttribute('aria-label', `Leave ${state.current}`);
    this.#leaveRoom.title = `Leave ${state.current}`;
    this.#drawPerson(state.session?.username ?? null);
    this.#drawRooms(state);
    this.#drawQuestion(state);
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
    const { rooms, current } = state;
    const items = Object.values(rooms).map((room) => ({ key: room.name, unread: unreadIn(state, room), missing: room.closed?.missing === true }));
    items.sort((a, b) => Number(b.key === 'lobby') - Number(a.key === 'lobby') || (a.key < b.key ? -1 : 1));
    keyed(this.#rooms, items.filter(({ key, missing }) => key === current || !missing), (item, known) => {
      const row = known ?? roomRow(item.key);
      const link = row.firstElementChild;
      link?.setAttribute('aria-current', item.key === current ? 'page' : 'false');
      row.classList.toggle('unread', item.unread > 0);
      const badge = link?.lastElementChild;
      if (badge) setText(badge, item.unread === 0 ? '' : item.unread > 99 ? '99+' : String(item.unread));
      if (badge) badge.setAttribute('aria-label', item.unread === 0 ? '' : `${item.unread} unread`);
      return row;
    }, this.#known);
  }

  /** @param {State} state */
  #drawQuestion({ leaving, rooms }) {
    const waiting = Object.values(rooms).reduce((sum, room) => sum + room.waiting.length, 0);
    // All was sent in the meantime: there is nothing left to ask.
    if (leaving && waiting === 0) return this.#actions.stay();
    const asked = leaving && this.#question.hidden;
    const answered = !leaving && this.#question.contains(document.activeElement);
    setText(this.#leaveText, `${waiting === 1 ? 'One message is' : `${waiting} messages are`} not sent yet.`);
    show(this.#question, leaving);
    show(this.#signOut, !leaving);
    if (asked) this.#stay.focus();
    if (answered) this.#signOut.focus();
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
    if (drawer === 'menu') this.#menu.focus();
    else if (drawer === 'people') this.#people.focus();
    else (closed === 'menu' ? this.#openMenu : this.#openPeople).focus();
  }
}

/** @param {string} room */
function roomRow(room) {
  const link = make('a', '', [make('span', 'name', room), make('span', 'badge')]);
  link.href = `#${room}`;
  link.title = room;
  return make('li', '', [link]);
}
