/**
 * Notifications, for those who asked for them: silent, one per room at a time, only while no window
 * of this page is visible, and of several windows exactly one shows them: the one that holds a lock
 * (Web Locks); when it is closed, another gets the lock. They share a mark per room, up to which
 * everything was told or seen, so that what a late reconnect brings is not told again. A browser
 * without locks still has the mark and the tag: the same notification replaces itself.
 */
import { keepNotify, read, TOLD, write } from './keep.js';
import { mentions, sameName } from './text.js';
import { troubleLine } from './words.js';

/**
 * @typedef {import('./state.js').Notify} Notify
 * @typedef {{room: string, seq: number, username: string, message: string}} Told
 */
/**
 * @typedef {object} NotifierActions
 * @property {(room: string) => void} open somebody clicked on what was said there
 * @property {() => void} unable this browser shows none, whatever it said before
 */

/** No more than so many characters of a message leave the page. */
const BODY = 160;

/** Messages that come so close together are one notification. */
const TOGETHER_MS = 300;
/** Held by the window that speaks. */
const SPEAKER = 'chorus.speaker';
/** Held by every visible window, shared. */
const VISIBLE = 'chorus.visible';

/** So long a notification stays that only tells that there will be some. */
const SHOWN_MS = 5_000;

export class Notifier {
  #actions;
  /** @type {Notify} */
  #notify = 'off';
  #me = '';
  /** @type {Told[]} */
  #heard = [];
  #timer = 0;
  #speaker = false;
  /** By room. @type {Map<string, Notification>} */
  #shown = new Map();
  /** Ends the hold on VISIBLE. @type {(() => void) | null} */
  #hide = null;

  /** @param {NotifierActions} actions */
  constructor(actions) {
    this.#actions = actions;
    document.addEventListener('visibilitychange', () => this.#visibility());
    this.#visibility();
    // Never let go: the browser does when the window is closed.
    if (navigator.locks) void navigator.locks.request(SPEAKER, () => new Promise(() => (this.#speaker = true)));
    else this.#speaker = true;
  }

  /** @param {Notify} notify @param {string} me */
  render(notify, me) {
    if (me !== this.#me) this.#clear();
    this.#notify = notify;
    this.#me = me;
  }

  /** A message of the log, however it came. Also the seen ones: no window shall tell of them later. @param {Told} told */
  heard(told) {
    if (this.#notify === 'off') return;
    this.#heard.push(told);
    this.#timer ||= window.setTimeout(() => void this.#tell(), TOGETHER_MS);
  }

  async #tell() {
    const heard = this.#heard;
    this.#heard = [];
    this.#timer = 0;
    // What is heard here and not seen is the speaker's to mark.
    if (document.hidden && !this.#speaker) return;
    const fresh = claimTold(heard);
    const wanted = fresh.filter((told) => worthTelling(this.#notify, told, this.#me));
    if (wanted.length === 0 || !document.hidden || (await someoneSees())) return;
    for (const room of new Set(wanted.map((told) => told.room))) this.#show(wanted.filter((told) => told.room === room));
  }

  /** @param {Told[]} told of one room */
  #show(told) {
    const [first, ...rest] = told;
    if (!first) return;
    const { room } = first;
    const { title, body } = notificationText([first, ...rest]);
    try {
      const notification = new Notification(title, { body, tag: `chorus:${room}`, icon: 'favicon.svg', silent: true });
      notification.addEventListener('click', () => {
        window.focus();
        this.#actions.open(room);
        notification.close();
      });
      this.#shown.set(room, notification);
    } catch {
      // Some phones have the class and refuse to make one.
      this.#actions.unable();
    }
  }

  #visibility() {
    if (document.hidden) {
      this.#hide?.();
      this.#hide = null;
    } else {
      for (const notification of this.#shown.values()) notification.close();
      this.#shown.clear();
      this.#hide ??= hold(VISIBLE);
    }
  }

  #clear() {
    window.clearTimeout(this.#timer);
    this.#timer = 0;
    this.#heard = [];
    for (const notification of this.#shown.values()) notification.close();
    this.#shown.clear();
  }
}

/** @param {string} name @returns {() => void} lets go */
function hold(name) {
  /** @type {() => void} */
  let release = () => {};
  /** @type {Promise<void>} */
  const released = new Promise((resolve) => (release = resolve));
  void navigator.locks?.request(name, { mode: 'shared' }, () => released);
  return release;
}

async function someoneSees() {
  const locks = await navigator.locks?.query();
  return locks?.held?.some(({ name }) => name === VISIBLE) ?? false;
}

/**
 * Asks for the permission if need be; call it only on a click.
 * @param {Notify} wanted
 * @param {() => void} asking the browser has a question on the screen now
 * @returns {Promise<{notify: Notify, trouble: import('./state.js').NotifyTrouble}>}
 */
async function askToNotify(wanted, asking) {
  if (wanted === 'off') return { notify: 'off', trouble: null };
  if (Notification.permission === 'default') asking();
  const permission = Notification.permission === 'granted' ? 'granted' : await Notification.requestPermission();
  // Closing the question is no answer, and no trouble either.
  if (permission !== 'granted') return { notify: 'off', trouble: permission === 'denied' ? 'denied' : null };
  // Some phones have the class and the permission, and show nothing: that is found out by showing one.
  try {
    const first = new Notification('Notifications are on', { tag: 'chorus', icon: 'favicon.svg', silent: true });
    setTimeout(() => first.close(), SHOWN_MS);
  } catch {
    return { notify: 'off', trouble: 'unable' };
  }
  return { notify: wanted, trouble: null };
}

/**
 * How somebody chooses to be notified, or not any more.
 * @param {() => import('./state.js').State} current
 * @param {(event: import('./state.js').Event) => void} dispatch
 * @param {(words: string) => void} tell to a screen reader
 */
export function choosing(current, dispatch, tell) {
  /** @param {Notify} notify @param {import('./state.js').NotifyTrouble} trouble */
  function set(notify, trouble) {
    keepNotify(notify);
    // The line says it already: it is heard once more, by somebody who tries once more.
    if (trouble === 'denied' && trouble === current().notifyTrouble) tell(troubleLine(trouble));
    dispatch({ type: 'notify', notify, trouble });
  }

  /** @param {Notify} wanted */
  async function choose(wanted) {
    const { notify, trouble } = await askToNotify(wanted, () => set('off', 'asking'));
    set(notify, trouble);
  }

  return { choose, set };
}

/** Whether somebody who chose `notify` wants to hear of a message. @param {Notify} notify @param {Told} told @param {string} me */
export function worthTelling(notify, { username, message }, me) {
  if (notify === 'off' || sameName(username, me)) return false;
  return notify === 'all' || mentions(message, me);
}

/**
 * What a notification says of the messages of one room, the newest last.
 * @param {[Told, ...Told[]]} told
 * @returns {{title: string, body: string}}
 */
export function notificationText(told) {
  const { room, username, message } = told.at(-1) ?? told[0];
  const body = [...message].length > BODY ? `${[...message].slice(0, BODY).join('')}…` : message;
  return told.length === 1 ? { title: `${username} in ${room}`, body } : { title: `${told.length} messages in ${room}`, body: `${username}: ${body}` };
}

/**
 * Of these messages, those that no tab of this browser has told or seen; now they are.
 * @template {{room: string, seq: number}} T
 * @param {T[]} messages
 * @returns {T[]}
 */
function claimTold(messages) {
  const told = read(TOLD) ?? {};
  const upTo = (/** @type {string} */ room) => (Object.hasOwn(told, room) ? Number(told[room]) || 0 : 0);
  const fresh = messages.filter(({ room, seq }) => seq > upTo(room));
  for (const { room, seq } of fresh) told[room] = Math.max(upTo(room), seq);
  if (fresh.length > 0) write(TOLD, JSON.stringify(told));
  return fresh;
}
