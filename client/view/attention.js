/**
 * How the page reaches a reader who does not look at the thread: the number in its title, the dot on its
 * icon, what a screen reader hears. And the choice, in the menu, whether to be notified as well.
 */
import { unreadCount } from '../state.js';
import { pageTitle, troubleLine } from '../words.js';
import { byId, choice, make, setText, show } from './dom.js';

/**
 * @typedef {import('../state.js').State} State
 * @typedef {import('../state.js').Notify} Notify
 * @typedef {import('../state.js').NotifyTrouble} NotifyTrouble
 */

/** @type {[Notify, string][]} */
const CHOICES = [
  ['off', 'Off'],
  ['mentions', 'Mentions'],
  ['all', 'All'],
];

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
    document.title = session ? pageTitle(unread, current, name) : name;
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

/**
 * Asks for the permission if need be; call it only on a click.
 * @param {Notify} wanted
 * @param {() => void} asking the browser has a question on the screen now
 * @returns {Promise<{notify: Notify, trouble: NotifyTrouble}>}
 */
export async function askToNotify(wanted, asking) {
  if (wanted === 'off') return { notify: 'off', trouble: null };
  if (Notification.permission === 'default') asking();
  const permission = Notification.permission === 'granted' ? 'granted' : await Notification.requestPermission();
  // Closing the question is no answer, and no trouble either.
  if (permission !== 'granted') return { notify: 'off', trouble: permission === 'denied' ? 'denied' : null };
  return { notify: wanted, trouble: null };
}

/** Messages that come faster than they can be read out are told by their number. */
const PAUSE_MS = 1_500;
const SOON_MS = 150;
const READ_OUT = 3;

/**
 * What a screen reader hears: new messages of others, never history and never one's own, and what else
 * happens that shows without being asked for. The list itself stays silent, because pages of old messages
 * would be read out as if they had just been said.
 */
export class Spoken {
  #region = byId('spoken', HTMLParagraphElement);
  #alarm = byId('alarm', HTMLParagraphElement);
  /** @type {{words: string, calls: boolean}[]} calls: by the reader's name */
  #heard = [];
  #timer = 0;
  /** Said before the messages, and soon. @type {Set<string>} */
  #news = new Set();
  #soon = 0;

  /** @param {{username: string, message: string}} message @param {boolean} calls it mentions the reader */
  say({ username, message }, calls) {
    this.#heard.push({ words: `${username}${calls ? ' mentioned you' : ''}: ${message}`, calls });
    this.#timer ||= window.setTimeout(() => this.#speak(), PAUSE_MS);
  }

  /** When the other things that happen have been said. @param {string} words */
  tell(words) {
    this.#news.add(words);
    this.#soon ||= window.setTimeout(() => {
      this.#soon = 0;
      this.#region.textContent = [...this.#news].join('. ');
      this.#news.clear();
    }, SOON_MS);
  }

  /** At once, whatever is being said. @param {string} words */
  alarm(words) {
    this.#alarm.textContent = words;
  }

  #speak() {
    this.#timer = 0;
    this.#region.textContent = summary(this.#heard);
    this.#heard = [];
  }
}

/** Too many to be read out are counted; those that call the reader are read out all the same. @param {{words: string, calls: boolean}[]} heard */
function summary(heard) {
  const some = heard.length > READ_OUT ? [{ words: `${heard.length} new messages` }, ...heard.filter(({ calls }) => calls).slice(-READ_OUT)] : heard;
  return some.map(({ words }) => words).join('. ');
}
