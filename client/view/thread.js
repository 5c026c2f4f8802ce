/**
 * The messages: one list on one line, the thread. Rows are made once and stay; what changes is which
 * of them are there. Keeps the reader's place: at the newest only if the reader was there, and on the
 * same row when older ones are put above it.
 */
import { currentRoom } from '../state.js';
import { hashOf } from '../route.js';
import { thread } from '../thread.js';
import { gapLine, backLine } from '../words.js';
import { byId, keyed, make, setText, show } from './dom.js';
import { avatar, coloured } from './person.js';
import { RowFocus } from './row-focus.js';
import { messageText } from './text.js';
import { clockTime, dayName, exactTime } from './time.js';
import { traffic } from './traffic.js';

/**
 * @typedef {import('../state.js').State} State
 * @typedef {import('../state-room.js').RoomState} RoomState
 * @typedef {import('../thread.js').Item} Item
 */
/**
 * @typedef {object} ThreadActions
 * @property {() => void} loadOlder
 * @property {(atEnd: boolean) => void} readerMoved
 * @property {(id: string) => void} retry
 * @property {(id: string) => void} discard
 */

/** How near to the end counts as there, and how near to the top asks for more. In pixels. */
const END_PX = 48;
const TOP_PX = 800;

export class ThreadView {
  #scroll = byId('scroll', HTMLDivElement);
  #list = byId('thread', HTMLOListElement);
  #newer = byId('newer', HTMLButtonElement);
  #focus = new RowFocus(this.#list);
  #actions;
  /** @type {Map<string, HTMLElement>} */
  #known = new Map();
  /** What each element shows, to know when it must be made anew. @type {WeakMap<HTMLElement, string>} */
  #shown = new WeakMap();
  /** @type {RoomState | null} */
  #room = null;
  #day = '';
  #me = '';
  /** The link that was followed last. @type {RoomState['target']} */
  #followed = null;

  /** @param {ThreadActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#scroll.addEventListener('scroll', () => this.#moved(), { passive: true });
    this.#newer.addEventListener('click', () => this.toEnd());
    // A growing composer or a phone's keyboard takes room away at the end.
    new ResizeObserver(() => this.#room?.atEnd && this.toEnd()).observe(this.#scroll);
  }

  /** @param {State} state */
  render(state) {
    const room = currentRoom(state) ?? null;
    const day = dayName(state.now, state.now) + new Date(state.now).toDateString();
    if (room === this.#room && day === this.#day) return;
    // Another room, or its first page: then the reader is taken to where there is something to read.
    const arrives = this.#room?.name !== room?.name || (room?.opened && !this.#room?.opened);
    const follows = room?.target && room.target !== this.#followed;
    this.#room = room;
    this.#day = day;
    if (!room || !state.session) {
      this.#list.replaceChildren();
      this.#known.clear();
      return;
    }
    this.#me = state.session.username;
    const anchor = room.atEnd ? null : this.#anchor();
    this.#list.classList.toggle('opening', !room.opened);
    const items = thread(room, this.#me);
    keyed(this.#list, items, (item, known) => this.#draw(item, known, state.now), this.#known);
    this.#focus.render();
    if (arrives || follows) this.#take(room);
    else if (room.atEnd) this.toEnd();
    else if (anchor) this.#scroll.scrollTop += anchor.element.getBoundingClientRect().top - anchor.top;
    show(this.#newer, !room.atEnd && room.opened);
    setText(this.#newer, newerLabel(room.unseen));
    this.#askForOlder();
  }

  /** To the message that a link points to, to where the unread ones begin, or to the newest. @param {RoomState} room */
  #take(room) {
    const pointed = room.target && this.#known.get(`seq:${room.target.seq}`);
    const place = pointed ?? this.#known.get('new');
    if (pointed) this.#followed = room.target;
    if (place) place.scrollIntoView({ block: pointed ? 'center' : 'start' });
    else this.toEnd();
    this.#moved();
  }

  toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  #moved() {
    const room = this.#room;
    if (!room) return;
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    const atEnd = scrollHeight - scrollTop - clientHeight < END_PX;
    if (atEnd !== room.atEnd) this.#actions.readerMoved(atEnd);
    this.#askForOlder();
  }

  #askForOlder() {
    const room = this.#room;
    if (room?.older === 'idle' && room.rows.length > 0 && this.#scroll.scrollTop < TOP_PX) this.#actions.loadOlder();
  }

  /** The first row in view, and where it stands: it must stand there afterwards too. */
  #anchor() {
    const top = this.#scroll.getBoundingClientRect().top;
    const rows = this.#list.children;
    let [low, high] = [0, rows.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((rows[middle]?.getBoundingClientRect().bottom ?? 0) > top) high = middle;
      else low = middle + 1;
    }
    // Not the top itself: it stays first whatever comes between it and the rest.
    const element = rows[Math.max(1, low)];
    return element ? { element, top: element.getBoundingClientRect().top } : null;
  }

  /** @param {Item} item @param {HTMLElement | null} known @param {number} now */
  #draw(item, known, now) {
    const print = fingerprint(item, now);
    if (known && this.#shown.get(known) === print) return known;
    const element = this.#make(item, known, now);
    this.#shown.set(element, print);
    return element;
  }

  /** @param {Item} item @param {HTMLElement | null} known @param {number} now @returns {HTMLElement} */
  #make(item, known, now) {
    switch (item.kind) {
      case 'top':
        return this.#top(item);
      case 'day':
        return make('li', 'row line day', [make('span', '', dayName(item.at, now))]);
      case 'new':
        return make('li', 'row line new', [make('span', '', 'New')]);
      case 'gap':
        return make('li', `row line gap ${item.gap.reason}`, [make('span', '', gapLine(item.gap))]);
      case 'note':
        return item.note.kind === 'traffic' ? traffic(item.note, known) : note(item.note);
      case 'message':
        return message(item, this.#room?.name ?? '', this.#me);
      case 'waiting':
        return this.#waiting(item);
    }
  }

  /** @param {Extract<Item, {kind: 'top'}>} item */
  #top({ older, empty }) {
    const row = make('li', 'top');
    if (empty) {
      const copy = make('button', 'link', 'Copy link');
      copy.type = 'button';
      copy.addEventListener('click', () => {
        void navigator.clipboard?.writeText(location.href).then(() => setText(copy, 'Copied'), () => setText(copy, location.href));
      });
      row.append(make('p', 'empty', [document.createTextNode('You’re the first here. '), copy]));
    } else if (older === 'loading') {
      row.append(make('p', '', 'Loading older messages'));
    } else if (older === 'failed') {
      const again = make('button', 'link', 'Try again');
      again.type = 'button';
      again.addEventListener('click', () => this.#actions.loadOlder());
      row.append(make('p', '', [document.createTextNode('Older messages could not be loaded. '), again]));
    }
    row.classList.toggle('whole', older === 'none');
    return row;
  }

  /** @param {Extract<Item, {kind: 'waiting'}>} item */
  #waiting({ row, username, head, last }) {
    const waits = row.state === 'waiting' && last ? make('p', 'state', 'Waiting to be sent') : null;
    const state = row.state === 'refused' ? this.#refusal(row) : waits;
    const element = said({ username, text: row.message, at: row.at, head, own: true, href: null, extra: state, me: username });
    element.classList.add(row.state);
    element.dataset['id'] = row.id;
    return element;
  }

  /** @param {import('../state-room.js').WaitingRow} row */
  #refusal({ id, reason }) {
    const retry = make('button', 'link', 'Retry');
    const discard = make('button', 'link', 'Delete');
    retry.type = discard.type = 'button';
    retry.addEventListener('click', () => this.#actions.retry(id));
    discard.addEventListener('click', () => this.#actions.discard(id));
    return make('p', 'state error', [make('span', '', `Not sent. ${reason}`), retry, discard]);
  }
}

/** @param {number} unseen */
function newerLabel(unseen) {
  if (unseen === 0) return 'To the newest';
  return unseen === 1 ? '1 new message' : `${unseen} new messages`;
}

/** All that an item's element depends on. @param {Item} item @param {number} now */
function fingerprint(item, now) {
  switch (item.kind) {
    case 'top':
      return `${item.older}${item.empty}`;
    case 'day':
      return dayName(item.at, now);
    case 'gap':
      return gapLine(item.gap);
    case 'note':
      return `${item.note.count}:${item.note.joined}:${item.note.left}`;
    case 'new':
      return '';
    case 'message':
      return `${item.head}${item.pointed}`;
    case 'waiting':
      return `${item.head}${item.last}${item.row.state}${item.row.reason}`;
  }
}

/** @param {import('../state-room.js').Note} note */
function note({ kind, count, text }) {
  return make('li', `row line note ${kind}`, [make('span', '', kind === 'back' ? backLine(count) : text)]);
}

/** @param {Extract<Item, {kind: 'message'}>} item @param {string} room @param {string} me */
function message({ message: { seq, username, message: text }, at, head, own, pointed }, room, me) {
  const row = said({ username, text, at, head, own, href: hashOf({ room, seq }), extra: null, me });
  row.dataset['seq'] = String(seq);
  row.classList.toggle('pointed', pointed);
  return row;
}

/**
 * @param {{username: string, text: string, at: number, head: boolean, own: boolean, href: string | null, extra: HTMLElement | null, me: string}} what
 */
function said({ username, text, at, head, own, href, extra, me }) {
  const body = messageText(text, me);
  const row = make('li', `row said${head ? ' head' : ''}${own ? ' own' : ''}`);
  row.tabIndex = -1;
  row.classList.toggle('mentioned', !own && body.querySelector('.mention.me') !== null);
  const moment = make('time', '', clockTime(at));
  moment.dateTime = new Date(at).toISOString();
  // The time of a message is its address; Tab comes to it by way of the message.
  const time = make(href === null ? 'span' : 'a', 'time', [moment]);
  if (href !== null) {
    time.setAttribute('href', href);
    time.tabIndex = -1;
  }
  time.title = exactTime(at);
  if (head) row.append(avatar(username), make('p', 'who', [coloured(make('b', 'name', username), username), time]));
  // Grouped rows name their sender to those who can't see the group.
  else row.append(make('span', 'unseen', username), time);
  row.append(make('div', 'body', [body, extra]));
  return row;
}
