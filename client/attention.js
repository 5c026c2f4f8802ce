/**
 * What asks for the reader's attention when the page does not have it: how many messages are unread,
 * and which of them are worth a notification. Pure; view/attention.js shows the number, notifier.js
 * the notifications.
 */
import { unreadIn } from './state.js';
import { mentions, sameName } from './text.js';

/** @typedef {'off' | 'mentions' | 'all'} Notify what the reader wants to be notified of */
/** @typedef {'asking' | 'denied' | 'unable' | null} NotifyTrouble why that is off although it was asked for */
/** @typedef {{room: string, seq: number, username: string, message: string}} Told */

/** No more than so many characters of a message leave the page. */
const BODY = 160;

/** In all rooms. @param {import('./state.js').State} state */
export function unreadCount(state) {
  return Object.values(state.rooms).reduce((sum, room) => sum + unreadIn(state, room), 0);
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
