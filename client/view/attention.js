/**
 * How the page reaches a reader who does not look at the thread: the number in its title, the dot on its
 * icon. And the choice, in the menu, whether to be notified as well. (What a screen reader hears: spoken.js.)
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
