/**
 * What a screen reader hears: new messages of others, never history and never one's own, and what else
 * happens that shows without being asked for. The list itself stays silent, because pages of old messages
 * would be read out as if they had just been said.
 */
import { mentions } from '../text.js';
import { byId } from './dom.js';

/** Messages that come faster than they can be read out are told by their number. */
const PAUSE_MS = 1_500;
const SOON_MS = 150;
const READ_OUT = 3;

export class Spoken {
  #region = byId('spoken', HTMLParagraphElement);
  #alarm = byId('alarm', HTMLParagraphElement);
  /** @type {{words: string, calls: boolean}[]} calls: by the reader's name */
  #heard = [];
  #timer = 0;
  /** Said before the messages, and soon. @type {Set<string>} */
  #news = new Set();
  #soon = 0;
  #lost = false;
  #waits = false;

  /**
   * What somebody else says: in this room all of it, in another one only whom it calls.
   * @param {{room: string, username: string, message: string}} message @param {string} current the room that is shown @param {string} me
   */
  say({ room, username, message }, current, me) {
    const calls = mentions(message, me);
    if (room === current) {
      this.#heard.push({ words: `${username}${calls ? ' mentioned you' : ''}: ${message}`, calls });
      this.#timer ||= window.setTimeout(() => this.#speak(), PAUSE_MS);
    } else if (calls) this.tell(`${username} mentioned you in ${room}`);
  }

  /**
   * The line of the connection's state changes with every attempt: what is said is that it is lost, and that it is back.
   * @param {import('../words.js').StatusLine} line
   */
  status({ tone, text }) {
    if (tone === 'bad' || (tone === 'good' && this.#lost)) this.tell(text);
    else if (tone === 'off' && !this.#lost) this.tell(`The connection is lost. ${text.replace(/ in \d.*/, '')}`);
    if (tone !== 'wait') this.#lost = tone === 'off';
    this.#waits &&= tone !== 'good';
  }

  /** Of several messages that wait, once. */
  waits() {
    if (!this.#waits) this.tell('Waiting to be sent');
    this.#waits = true;
  }

  /** When the other things that happen have been said. @param {string} words */
  tell(words) {
    if (words === '') return;
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
