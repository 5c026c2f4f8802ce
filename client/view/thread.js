/**
 * The messages: one list on one line, the thread. Rows are made once and stay; what changes is which
 * of them are there. Keeps the reader's place: at the newest only if the reader was there, and on the
 * same row when others come or go above it.
 *
 * Rows stand in chunks, and those out of sight are not drawn (`content-visibility`): a frame costs what is
 * in sight and not what is in the page. A chunk that changed is drawn once all the same, because from then
 * on the browser knows its height: one of unknown height would move what is below it.
 */
import { currentRoom, mentionsIn } from '../state.js';
import { hashOf } from '../route.js';
import { chunks, thread } from '../thread.js';
import { backLine, clockTime, dayName, exactTime, gapLine, shortTime } from '../words.js';
import { byId, keyed, make, setText, show } from './dom.js';
import { avatar, coloured } from './sides.js';
import { messageText, traffic } from './row.js';

/**
 * @typedef {import('../state.js').State} State
 * @typedef {import('../state-room.js').RoomState} RoomState
 * @typedef {import('../thread.js').Item} Item
 */
/**
 * @typedef {object} ThreadActions
 * @property {() => void} loadOlder
 * @property {() => void} loadNewer
 * @property {(atEnd: boolean) => void} readerMoved
 * @property {(seq: number) => void} readerSaw
 * @property {(room: RoomState) => boolean} isLatest nothing has changed since it was drawn
 * @property {(room: string) => void} createRoom the one that is missing
 * @property {() => void} toLobby
 * @property {() => void} toNewest
 * @property {(row: HTMLElement) => void} arrived at the message that a link points to
 * @property {(way: import('../unsent.js').Way, id: string) => void} unsent with a message that is not in the log
 * @property {(button: HTMLElement) => void} copyLink of the room
 */

/** How near to the end counts as there, and how near to the first and the last row asks for more. In pixels. */
const END_PX = 48;
const MORE_PX = 1_600;

/** So many rows are remembered for their place: the first of them may be made anew. */
const ANCHORS = 8;

export class ThreadView {
  #scroll = byId('scroll', HTMLDivElement);
  #list = byId('thread', HTMLDivElement);
  #newer = byId('newer', HTMLButtonElement);
  #newerWords = byId('newer-words', HTMLSpanElement);
  #newerCount = byId('newer-count', HTMLSpanElement);
  #actions;
  /** @type {Map<string, HTMLElement>} */
  #chunks = new Map();
  /** What each chunk shows, and its rows. @type {WeakMap<HTMLElement, {items: Item[], day: string, rows: Map<string, HTMLElement>}>} */
  #drawn = new WeakMap();
  /** What each element shows, to know when it must be made anew. @type {WeakMap<HTMLElement, string>} */
  #shown = new WeakMap();
  /** @type {RoomState | null} */
  #room = null;
  #day = '';
  #me = '';
  /** Somebody looks at the page. */
  #watched = false;
  /** How many of those that were not seen name the reader. */
  #calls = 0;
  /** The reader came to the end of rows that are not the latest. */
  #late = false;
  /** The link that was followed last. @type {RoomState['target']} */
  #followed = null;
  /** Chunks whose height is not known yet. @type {Set<HTMLElement>} */
  #unmeasured = new Set();
  #measuring = false;
  #width = 0;
  /** Of the list and of the window onto it. */
  #size = '';
  #height = 0;

  /** @param {ThreadActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#scroll.addEventListener('scroll', () => this.#moved(), { passive: true });
    this.#newer.addEventListener('click', () => {
      const line = this.#list.querySelector('.line.new');
      // First to where the new ones begin, then to the newest.
      if (this.#room?.unseen && line && line.getBoundingClientRect().top > this.#scroll.getBoundingClientRect().bottom) return line.scrollIntoView();
      // The button goes away; the focus must not go with it.
      this.#scroll.focus({ preventScroll: true });
      this.#actions.toNewest();
    });
    this.#list.addEventListener('focusin', () => this.#moved());
    // The focus is nowhere until it is somewhere else.
    this.#list.addEventListener('focusout', () => setTimeout(() => this.#moved()));
    // A growing composer or a phone's keyboard takes room away at the end; in another width words break differently.
    const observer = new ResizeObserver(() => {
      // Who is at the end stays there: it moved, not the reader.
      if (this.#room?.atEnd) this.#resized();
      else this.#moved();
      this.#rewrapped();
    });
    observer.observe(this.#scroll);
    observer.observe(this.#list);
  }

  /** @param {State} state */
  render(state) {
    const room = currentRoom(state) ?? null;
    this.#watched = state.looking;
    const day = dayName(state.now, state.now) + new Date(state.now).toDateString();
    if (room === this.#room && day === this.#day) return;
    // Another room, or its first page: then the reader is taken to where there is something to read.
    const another = this.#room?.name !== room?.name;
    const arrives = another || (room?.opened && !this.#room?.opened);
    const follows = room?.target && room.target !== this.#followed;
    this.#room = room;
    this.#day = day;
    if (another || !room || !state.session) {
      this.#list.replaceChildren();
      this.#chunks.clear();
    }
    if (!room || !state.session) return;
    this.#me = state.session.username;
    const anchors = room.atEnd ? [] : this.#anchors();
    this.#list.classList.toggle('opening', !room.opened);
    this.#list.classList.toggle('whole', room.older === 'none');
    const items = thread(room, this.#me);
    keyed(this.#list, chunks(items), (chunk, known) => this.#drawChunk(chunk, known, state.now), this.#chunks);
    this.#resized();
    if (arrives || follows) this.#take(room);
    else if (room.atEnd) this.toEnd();
    else this.#hold(anchors);
    this.#measure();
    this.#calls = mentionsIn(state, room);
    this.#tellOfNewer();
    if (this.#late) this.#moved();
    else this.#see();
    this.#askForMore();
  }

  #tellOfNewer() {
    const room = this.#room;
    if (!room) return;
    // Somebody who goes through the rows with the keys does not follow the end, and may be there all the same.
    show(this.#newer, !room.atEnd && room.opened && (room.unseen > 0 || !this.#near()));
    const label = newerLabel(room.unseen, this.#calls);
    setText(this.#newerWords, label);
    setText(this.#newerCount, room.unseen > 0 ? (this.#calls > 0 ? '@' : '') + room.unseen : '');
    if (this.#newer.title !== label) this.#newer.title = label;
  }

  /** To the message that a link points to, to where the unread ones begin, or to the newest. @param {RoomState} room */
  #take(room) {
    const pointed = this.#list.querySelector('.pointed');
    const place = pointed ?? this.#list.querySelector('.line.new');
    if (pointed) this.#followed = room.target;
    if (place) place.scrollIntoView({ block: pointed ? 'center' : 'start' });
    else this.toEnd();
    if (pointed instanceof HTMLElement) this.#actions.arrived(pointed);
    this.#moved();
  }

  toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  /** In another width chunks have other heights. */
  #rewrapped() {
    if (this.#scroll.clientWidth === this.#width) return;
    this.#width = this.#scroll.clientWidth;
    const anchors = this.#room?.atEnd ? [] : this.#anchors();
    for (const chunk of this.#chunks.values()) this.#unmeasure(chunk);
    if (this.#room?.atEnd) this.toEnd();
    else this.#hold(anchors);
    this.#measure();
  }

  /** @param {HTMLElement} chunk */
  #unmeasure(chunk) {
    chunk.classList.remove('measured');
    this.#unmeasured.add(chunk);
  }

  /** Once it was drawn for a frame, the browser remembers the height of a chunk, in sight or not. */
  #measure() {
    if (this.#measuring || this.#unmeasured.size === 0) return;
    this.#measuring = true;
    const drawn = this.#unmeasured;
    this.#unmeasured = new Set();
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        // One that changed again meanwhile has its turn with the next.
        for (const chunk of drawn) if (!this.#unmeasured.has(chunk)) chunk.classList.add('measured');
        this.#measuring = false;
        this.#measure();
      }),
    );
  }

  #moved() {
    const room = this.#room;
    if (!room) return;
    // The end moved, not the reader.
    if (this.#resized() && room.atEnd) return;
    const near = this.#near();
    // Other rows are about to be drawn: whether these are the end is asked again then.
    this.#late = near && !this.#actions.isLatest(room);
    if (this.#late) return;
    const atEnd = near && !this.#reads();
    const last = room.rows.at(-1);
    if (near && !atEnd && room.unseen > 0 && last) this.#actions.readerSaw(last.seq);
    if (atEnd !== room.atEnd) this.#actions.readerMoved(atEnd);
    this.#tellOfNewer();
    this.#see();
    this.#askForMore();
  }

  /** What has been on the screen is read: up to the lowest message that is whole in view. */
  #see() {
    const room = this.#room;
    const last = room?.rows.at(-1)?.seq ?? 0;
    if (!room || !this.#watched || room.atEnd || (room.read ?? last) >= last) return;
    const bottom = this.#scroll.getBoundingClientRect().bottom;
    const chunk = firstBelow(this.#list.children, bottom, 0);
    /** @type {Element | null} */
    let row = chunk && firstBelow(chunk.children, bottom, 0);
    while (row instanceof HTMLElement && !(row.dataset['seq'] && row.getBoundingClientRect().bottom <= bottom)) {
      row = row.previousElementSibling ?? row.parentElement?.previousElementSibling?.lastElementChild ?? null;
    }
    const seq = row instanceof HTMLElement ? Number(row.dataset['seq']) : 0;
    if (seq > (room.read ?? seq)) this.#actions.readerSaw(seq);
  }

  /** Where the keys are on a row, or something was unfolded, it stays where it is, and what comes is counted. */
  #reads() {
    return this.#list.querySelector(':focus-visible, .fold:focus') !== null;
  }

  /** The newest is in sight. The end of the rows is not it when that is elsewhere. */
  #near() {
    return this.#room?.tail.length === 0 && this.#scroll.clientHeight > 0 && this.#below() < END_PX;
  }

  /** Whether it has another size than before. Who was at the end is there still. */
  #resized() {
    const { clientWidth, clientHeight, scrollHeight } = this.#scroll;
    const size = `${clientWidth} ${clientHeight} ${scrollHeight}`;
    if (size === this.#size) return false;
    this.#size = size;
    const lower = this.#height - clientHeight;
    this.#height = clientHeight;
    // What one reads is near the lower edge, where a keyboard comes up.
    if (!this.#room?.atEnd) this.#scroll.scrollTop += lower;
    else if (!this.#reads()) this.toEnd();
    return true;
  }

  #askForMore() {
    const room = this.#room;
    if (!room || room.rows.length === 0) return;
    if (room.older === 'idle' && this.#scroll.scrollTop < MORE_PX) this.#actions.loadOlder();
    if (room.tail.length > 0 && room.newer === 'idle' && this.#below() < MORE_PX) this.#actions.loadNewer();
  }

  /** What can still be scrolled down. */
  #below() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** The first rows in view, and where they stand: there they must stand afterwards too. @returns {{element: Element, top: number}[]} */
  #anchors() {
    const top = this.#scroll.getBoundingClientRect().top;
    const anchors = [];
    // Not the top itself: it stays first whatever comes between it and the rest.
    let chunk = firstBelow(this.#list.children, top, 1);
    let row = chunk && firstBelow(chunk.children, top, 0);
    while (chunk && anchors.length < ANCHORS) {
      if (row) anchors.push({ element: row, top: row.getBoundingClientRect().top });
      row = row?.nextElementSibling ?? null;
      if (row) continue;
      chunk = chunk.nextElementSibling;
      row = chunk?.firstElementChild ?? null;
    }
    return anchors;
  }

  /** @param {{element: Element, top: number}[]} anchors */
  #hold(anchors) {
    const anchor = anchors.find(({ element }) => element.isConnected);
    if (!anchor) return;
    const moved = anchor.element.getBoundingClientRect().top - anchor.top;
    if (moved !== 0) this.#scroll.scrollTop += moved;
  }

  /** @param {{items: Item[]}} chunk @param {HTMLElement | null} known @param {number} now */
  #drawChunk({ items }, known, now) {
    const before = known && this.#drawn.get(known);
    if (before && before.day === this.#day && sameItems(before.items, items)) return known;
    const element = known ?? make('ol', 'chunk');
    const rows = before?.rows ?? new Map();
    this.#drawn.set(element, { items, day: this.#day, rows });
    if (keyed(element, items, (item, row) => this.#draw(item, row, now), rows)) this.#unmeasure(element);
    return element;
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
      case 'bottom':
        return this.#bottom(item);
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
  #top({ older, empty, alone, missing }) {
    const row = make('li', 'top');
    if (missing) {
      const [create, leave] = [make('button', 'link', 'Create it'), make('button', 'link', 'go to the lobby')];
      create.type = leave.type = 'button';
      create.addEventListener('click', () => this.#room && this.#actions.createRoom(this.#room.name));
      leave.addEventListener('click', () => this.#actions.toLobby());
      row.append(make('p', 'empty', [document.createTextNode('There is no room of this name. '), create, document.createTextNode(' or '), leave]));
    } else if (empty) {
      const copy = make('button', 'link', 'Copy link');
      copy.type = 'button';
      copy.addEventListener('click', () => this.#actions.copyLink(copy));
      row.append(make('p', 'empty', [document.createTextNode(alone ? 'You’re the first here. ' : 'Nothing was said here yet. '), copy]));
    } else if (older === 'loading') {
      row.append(make('p', '', 'Loading older messages'));
    } else if (older === 'failed') {
      row.append(notLoaded('Older', () => this.#actions.loadOlder()));
    }
    return row;
  }

  /** @param {Extract<Item, {kind: 'bottom'}>} item */
  #bottom({ newer }) {
    if (newer === 'failed') return make('li', 'bottom', [notLoaded('Newer', () => this.#actions.loadNewer())]);
    return make('li', 'bottom', [make('p', '', 'Loading newer messages')]);
  }

  /** @param {Extract<Item, {kind: 'waiting'}>} item */
  #waiting({ row, username, head, last }) {
    const state = row.state === 'refused' ? this.#state(row, `Not sent. ${row.reason}`, ['Edit', 'Retry', 'Delete']) : row.state === 'waiting' && last ? this.#state(row, 'Waiting to be sent', ['Edit', 'Delete']) : null;
    const element = said({ username, text: row.message, at: row.at, head, own: true, href: null, extra: state, me: username });
    element.classList.add(row.state);
    element.dataset['id'] = row.id;
    return element;
  }

  /**
   * What became of a message that is not in the log, and what can be done with it: to change what is too long comes first.
   * @param {import('../state-room.js').WaitingRow} row @param {string} words @param {import('../unsent.js').Way[]} ways
   */
  #state({ id, state }, words, ways) {
    const actions = ways.map((way) => {
      const button = make('button', 'link', way);
      button.type = 'button';
      button.tabIndex = -1;
      button.addEventListener('click', () => this.#actions.unsent(way, id));
      return button;
    });
    return make('p', state === 'refused' ? 'state error' : 'state', [make('span', '', words), make('span', 'actions', actions)]);
  }
}

/** @param {Item[]} one @param {Item[]} other */
function sameItems(one, other) {
  return one.length === other.length && one.every((item, index) => item === other[index]);
}

/** The first element, from a given one on, that reaches below a line. @param {HTMLCollection} elements @param {number} line @param {number} from */
function firstBelow(elements, line, from) {
  let [low, high] = [from, elements.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((elements[middle]?.getBoundingClientRect().bottom ?? 0) > line) high = middle;
    else low = middle + 1;
  }
  return elements[low] ?? null;
}

/** @param {'Older' | 'Newer'} which @param {() => void} load */
function notLoaded(which, load) {
  const again = make('button', 'link', 'Try again');
  again.type = 'button';
  again.addEventListener('click', load);
  return make('p', '', [document.createTextNode(`${which} messages could not be loaded. `), again]);
}

/** @param {number} unseen @param {number} mentions */
function newerLabel(unseen, mentions) {
  if (unseen === 0) return 'To the newest';
  return `${unseen === 1 ? '1 new message' : `${unseen} new messages`}${mentions > 0 ? `, ${mentions === 1 ? 'one names' : `${mentions} name`} you` : ''}`;
}

/** All that an item's element depends on. @param {Item} item @param {number} now */
function fingerprint(item, now) {
  switch (item.kind) {
    case 'top':
      return `${item.older}${item.empty}${item.alone}${item.missing}`;
    case 'bottom':
      return item.newer;
    case 'day':
      return dayName(item.at, now);
    case 'gap':
      return gapLine(item.gap);
    case 'note':
      return `${item.note.count}:${item.note.joined}:${item.note.left}`;
    case 'new':
      return '';
    case 'message':
      // A log that was restored has other messages under the same numbers.
      return `${item.head}${item.pointed} ${item.message.id} ${item.message.timestamp}`;
    case 'waiting':
      return `${item.head}${item.last}${item.row.state}${item.row.reason}`;
  }
}

/** @param {import('../state-room.js').Note} note */
function note({ kind, count, text }) {
  return make('li', `row line note ${kind}`, [make('span', '', kind === 'back' ? backLine(count) : text)]);
}

/** @param {Extract<Item, {kind: 'message'}>} item @param {string} room @param {string} me */
function message({ message: { seq, id, username, message: text }, at, head, own, pointed }, room, me) {
  const row = said({ username, text, at, head, own, href: hashOf({ room, seq }), extra: null, me });
  row.dataset['seq'] = String(seq);
  row.dataset['id'] = id;
  row.classList.toggle('pointed', pointed);
  return row;
}

/**
 * @param {{username: string, text: string, at: number, head: boolean, own: boolean, href: string | null, extra: HTMLElement | null, me: string}} what
 */
function said({ username, text, at, head, own, href, extra, me }) {
  const body = messageText(text, me);
  const named = coloured(make('b', 'name', username), username);
  named.title = username;
  const row = make('li', `row said${head ? ' head' : ''}${own ? ' own' : ''}`);
  row.tabIndex = -1;
  const calls = !own && body.querySelector('.mention.me') !== null;
  row.classList.toggle('mentioned', calls);
  const moment = make('time', '', head ? clockTime(at) : shortTime(at));
  moment.dateTime = new Date(at).toISOString();
  // The time of a message is its address; Tab comes to it by way of the message.
  const time = make(href === null ? 'span' : 'a', 'time', [moment]);
  if (href !== null) {
    time.setAttribute('href', href);
    time.tabIndex = -1;
  }
  time.title = exactTime(at);
  if (head) row.append(avatar(username), make('p', 'who', [named, time]));
  // Grouped rows name their sender to those who can't see the group.
  else row.append(make('span', 'unseen', username), time);
  row.append(make('div', 'body', [calls ? make('span', 'unseen', 'mentions you') : null, body, extra]));
  return row;
}
