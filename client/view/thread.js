/**
 * The messages: one list on one line, the thread. Rows are made once and stay; what changes is which
 * of them are there. Keeps the reader's place: at the newest only if the reader was there, and on the
 * same row when older ones are put above it.
 */
import { currentRoom } from '../state.js';
import { thread } from '../thread.js';
import { gapLine, backLine, trafficLine } from '../words.js';
import { byId, keyed, make, setText, show } from './dom.js';
import { avatar, coloured } from './person.js';
import { clockTime, dayName, exactTime } from './time.js';

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
  #actions;
  /** @type {Map<string, HTMLElement>} */
  #known = new Map();
  /** What each element shows, to know when it must be made anew. @type {WeakMap<HTMLElement, string>} */
  #shown = new WeakMap();
  /** @type {RoomState | null} */
  #room = null;
  #day = '';
  /** Of the list and of the window onto it. */
  #size = '';

  /** @param {ThreadActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#scroll.addEventListener('scroll', () => this.#moved(), { passive: true });
    this.#newer.addEventListener('click', () => {
      this.toEnd();
      // The button goes away; the focus must not go with it.
      this.#scroll.focus({ preventScroll: true });
    });
    // A growing composer or a phone's keyboard takes room away at the end; in another width words break differently.
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(this.#scroll);
    observer.observe(this.#list);
  }

  /** @param {State} state */
  render(state) {
    const room = currentRoom(state) ?? null;
    const day = dayName(state.now, state.now) + new Date(state.now).toDateString();
    if (room === this.#room && day === this.#day) return;
    const sameRoom = this.#room?.name === room?.name;
    this.#room = room;
    this.#day = day;
    if (!room || !state.session) {
      this.#list.replaceChildren();
      this.#known.clear();
      return;
    }
    const anchor = room.atEnd ? null : this.#anchor();
    this.#list.classList.toggle('opening', !room.opened);
    const items = thread(room, state.session.username);
    keyed(this.#list, items, (item, known) => this.#draw(item, known, state.now), this.#known);
    this.#resized();
    if (room.atEnd || !sameRoom) this.toEnd();
    else if (anchor) this.#scroll.scrollTop += anchor.element.getBoundingClientRect().top - anchor.top;
    show(this.#newer, !room.atEnd && room.opened);
    setText(this.#newer, newerLabel(room.unseen));
    this.#askForOlder();
  }

  toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  #moved() {
    const room = this.#room;
    if (!room) return;
    // The end moved, not the reader.
    if (this.#resized() && room.atEnd) return;
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    const atEnd = scrollHeight - scrollTop - clientHeight < END_PX;
    if (atEnd !== room.atEnd) this.#actions.readerMoved(atEnd);
    this.#askForOlder();
  }

  /** Whether it has another size than before. Who was at the end is there still. */
  #resized() {
    const { clientWidth, clientHeight, scrollHeight } = this.#scroll;
    const size = `${clientWidth} ${clientHeight} ${scrollHeight}`;
    if (size === this.#size) return false;
    this.#size = size;
    if (this.#room?.atEnd) this.toEnd();
    return true;
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
    const element = this.#make(item, now);
    this.#shown.set(element, print);
    return element;
  }

  /** @param {Item} item @param {number} now @returns {HTMLElement} */
  #make(item, now) {
    switch (item.kind) {
      case 'top':
        return this.#top(item);
      case 'day':
        return make('li', 'row line day', [make('span', '', dayName(item.at, now))]);
      case 'gap':
        return make('li', `row line gap ${item.gap.reason}`, [make('span', '', gapLine(item.gap))]);
      case 'note':
        return note(item.note);
      case 'message':
        return message(item);
      case 'waiting':
        return this.#waiting(item);
    }
  }

  /** @param {Extract<Item, {kind: 'top'}>} item */
  #top({ older, empty, alone }) {
    const row = make('li', 'top');
    if (empty) {
      const copy = make('button', 'link', 'Copy link');
      copy.type = 'button';
      copy.addEventListener('click', () => {
        void navigator.clipboard?.writeText(location.href).then(() => setText(copy, 'Copied'), () => setText(copy, location.href));
      });
      row.append(make('p', 'empty', [document.createTextNode(alone ? 'You’re the first here. ' : 'Nobody has said anything yet. '), copy]));
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
    const element = said({ username, text: row.message, at: row.at, head, own: true, extra: state });
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
    return make('p', 'state error', [make('span', '', `Not sent. ${reason}`), make('span', 'actions', [retry, discard])]);
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
      return `${item.older}${item.empty}${item.alone}`;
    case 'day':
      return dayName(item.at, now);
    case 'gap':
      return gapLine(item.gap);
    case 'note':
      return `${item.note.count}${trafficLine(item.note.joined, item.note.left)}`;
    case 'message':
      return String(item.head);
    case 'waiting':
      return `${item.head}${item.last}${item.row.state}${item.row.reason}`;
  }
}

/** @param {import('../state-room.js').Note} note */
function note({ kind, joined, left, count, text }) {
  const words = kind === 'traffic' ? trafficLine(joined, left) : kind === 'back' ? backLine(count) : text;
  const row = make('li', `row line note ${kind}`, [make('span', '', words)]);
  if (kind === 'traffic' && joined.length + left.length > 3) row.title = fullTraffic(joined, left);
  return row;
}

/** @param {string[]} joined @param {string[]} left */
function fullTraffic(joined, left) {
  return [joined.length ? `Joined: ${joined.join(', ')}` : '', left.length ? `Left: ${left.join(', ')}` : ''].filter(Boolean).join('\n');
}

/** @param {Extract<Item, {kind: 'message'}>} item */
function message({ message: { seq, username, message: text }, at, head, own }) {
  const row = said({ username, text, at, head, own, extra: null });
  row.dataset['seq'] = String(seq);
  return row;
}

/**
 * @param {{username: string, text: string, at: number, head: boolean, own: boolean, extra: HTMLElement | null}} what
 */
function said({ username, text, at, head, own, extra }) {
  const body = make('p', 'text', text);
  body.dir = 'auto';
  const row = make('li', `row said${head ? ' head' : ''}${own ? ' own' : ''}`);
  const time = make('time', 'time', clockTime(at));
  time.dateTime = new Date(at).toISOString();
  time.title = exactTime(at);
  if (head) row.append(avatar(username), make('p', 'who', [coloured(make('b', 'name', username), username), time]));
  // Grouped rows name their sender to those who can't see the group.
  else row.append(make('span', 'unseen', username), time);
  row.append(make('div', 'body', [body, extra]));
  return row;
}
