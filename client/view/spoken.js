/**
 * What a screen reader hears: new messages of others, never history and never one's own. The list
 * itself stays silent, because pages of old messages would be read out as if they had just been said.
 */
import { byId } from './dom.js';

/** Messages that come faster than they can be read out are told by their number. */
const PAUSE_MS = 1_500;
const READ_OUT = 3;

export class Spoken {
  #region = byId('spoken', HTMLParagraphElement);
  /** @type {string[]} */
  #heard = [];
  #timer = 0;

  /** @param {{username: string, message: string}} message */
  say({ username, message }) {
    this.#heard.push(`${username}: ${message}`);
    this.#timer ||= window.setTimeout(() => this.#speak(), PAUSE_MS);
  }

  #speak() {
    this.#timer = 0;
    this.#region.textContent = this.#heard.length > READ_OUT ? `${this.#heard.length} new messages` : this.#heard.join('. ');
    this.#heard = [];
  }
}
