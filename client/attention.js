/**
 * What asks for the reader's attention when the page does not have it: how many messages were not
 * seen, and which of them are worth a notification. Pure; view/attention.js shows the number,
 * notifier.js the notifications.
 *
 * Seen is what arrives while the page is visible and the reader is at the end of its room.
 */
import { mentions, sameName } from './text.js';

/** @typedef {'off' | 'mentions' | 'all'} Notify what the reader wants to be notified of */
/** @typedef {'asking' | 'denied' | 'unable' | null} NotifyTrouble why that is off although it was asked for */
/**
 * @typedef {object} Attention
 * @property {boolean} visible
 * @property {{[room: string]: number}} unread messages of others, not seen
 * @property {Notify} notify
 * @property {NotifyTrouble} trouble
 */
/**
 * @typedef {{type: 'page.visible', visible: boolean}
 *   | {type: 'notify', notify: Notify, trouble: NotifyTrouble}} AttentionEvent
 */
/** @typedef {{room: string, seq: number, username: string, message: string}} Told */

/** No more than so many characters of a message leave the page. */
const BODY = 160;

/** @param {Notify} notify @param {boolean} visible @returns {Attention} */
export function initialAttention(notify, visible) {
  return { visible, unread: {}, notify, trouble: null };
}

/**
 * The attention after an event, given what the rest of the state has become by it.
 * @param {Attention} attention
 * @param {import('./state.js').Event} event
 * @param {import('./state.js').State} next
 * @returns {Attention}
 */
export function attend(attention, event, next) {
  const changed = step(attention, event, next.session?.username ?? '');
  const room = Object.hasOwn(next.rooms, next.current) ? next.rooms[next.current] : undefined;
  if (!changed.visible || !room?.atEnd || !Object.hasOwn(changed.unread, next.current)) return changed;
  const { [next.current]: _, ...unread } = changed.unread;
  return { ...changed, unread };
}

/** @param {Attention} attention @param {import('./state.js').Event} event @param {string} me @returns {Attention} */
function step(attention, event, me) {
  switch (event.type) {
    case 'page.visible':
      return { ...attention, visible: event.visible };
    case 'notify':
      return { ...attention, notify: event.notify, trouble: event.trouble };
    case 'session.opened':
    case 'session.closed':
      return { ...attention, unread: {} };
    case 'room.message':
      return counted(attention, event.room, [event.message], me);
    case 'room.history':
      // A first page is the past; what a resume brings was said while nobody could see it.
      return event.history.resumed ? counted(attention, event.room, event.history.messages, me) : attention;
    default:
      return attention;
  }
}

/** @param {Attention} attention @param {string} room @param {{username: string}[]} messages @param {string} me @returns {Attention} */
function counted(attention, room, messages, me) {
  const count = messages.filter(({ username }) => username !== me).length;
  if (count === 0) return attention;
  const known = Object.hasOwn(attention.unread, room) ? attention.unread[room] : 0;
  return { ...attention, unread: { ...attention.unread, [room]: (known ?? 0) + count } };
}

/** @param {Attention} attention */
export function unreadCount({ unread }) {
  return Object.values(unread).reduce((sum, count) => sum + count, 0);
}

/** @param {number} unread @param {string} room @param {string} server */
export function pageTitle(unread, room, server) {
  const number = unread > 99 ? '(99+) ' : unread > 0 ? `(${unread}) ` : '';
  return `${number}${room} · ${server}`;
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

/** @param {NotifyTrouble} trouble */
export function troubleLine(trouble) {
  if (trouble === 'asking') return 'Your browser asks you to allow it.';
  if (trouble === 'denied') return 'Your browser blocks notifications from this page.';
  return trouble === 'unable' ? 'This browser can’t show notifications of a page.' : '';
}
