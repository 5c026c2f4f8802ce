/**
 * What a reader who is elsewhere sees of this page: the number in its title and the dot on its icon.
 * And the choice, in the menu, whether to be notified as well.
 */
import { pageTitle, troubleLine, unreadCount } from '../attention.js';
import { choice } from './choice.js';
import { byId, make, setText, show } from './dom.js';

/**
 * @typedef {import('../state.js').State} State
 * @typedef {import('../attention.js').Notify} Notify
 */

/** @type {[Notify, string][]} */
const CHOICES = [
  ['off', 'Off'],
  ['mentions', 'Mentions'],
  ['all', 'All'],
];

export class AttentionView {
  #icon = document.querySelector('link[rel="icon"]');
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
    const icon = unread > 0 ? 'favicon-unread.svg' : 'favicon.svg';
    if (this.#icon?.getAttribute('href') !== icon) this.#icon?.setAttribute('href', icon);
    this.#choice.render(notify);
    setText(this.#trouble, troubleLine(notifyTrouble));
  }
}
