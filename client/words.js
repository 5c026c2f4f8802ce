/**
 * What the page says, where saying it takes thought: pure functions from state to sentences.
 */
import { currentRoom, unsentIn } from './state.js';
import { dayOf } from './thread.js';

/** @typedef {import('./state.js').State} State */
/** @typedef {import('./sdk/protocol.js').ChorusError} ChorusError */
/** @typedef {import('./sdk/room.js').Gap} Gap */

/** @typedef {{tone: 'good' | 'wait' | 'off' | 'bad', text: string, action: 'now' | null}} StatusLine */

/**
 * The line by the composer.
 * @param {State} state
 * @returns {StatusLine}
 */
export function statusLine(state) {
  const { link, now } = state;
  const room = currentRoom(state);
  switch (link.state) {
    case 'connected':
      // Of one that is missing the thread says so.
      if (room?.closed?.missing) return { tone: 'good', text: 'Connected', action: null };
      if (room?.closed) return { tone: 'bad', text: `This room can’t be entered: ${room.closed.reason}`, action: null };
      if (!room?.live) return { tone: 'wait', text: room?.opened ? 'Catching up' : 'Opening the room', action: null };
      if (state.pacedUntil > now && unsentIn(room) > 0) return { tone: 'wait', text: `You write faster than this server takes; next ${inSeconds(state.pacedUntil, now)}`, action: null };
      return { tone: 'good', text: link.back ? backWord(link.back.count) : 'Connected', action: null };
    case 'connecting':
      return { tone: 'wait', text: room?.opened ? 'Reconnecting' : 'Connecting', action: null };
    case 'waiting': {
      // One line on a phone, together with what can be done.
      const why = cause(link.reason);
      return { tone: 'off', text: `${why}${why ? 'Again' : 'Reconnecting'} ${inSeconds(link.retryAt, now)}`, action: 'now' };
    }
    case 'offline':
      return { tone: 'off', text: 'Offline. Messages wait.', action: 'now' };
    case 'signed_out':
      return { tone: 'bad', text: 'Signed out', action: null };
    case 'stopped':
      return { tone: 'wait', text: 'Connecting', action: null };
  }
}

/** The line in the thread has the number, and says the rest. @param {number} count */
function backWord(count) {
  return count === 0 ? 'Back. Nothing new was said.' : 'Back';
}

/** @param {number} count */
export function backLine(count) {
  return `Back. ${count === 1 ? 'One message' : `${number(count)} messages`} while you were away, nothing missing.`;
}

/** Only causes that help somebody decide what to do. @param {string | null} reason */
function cause(reason) {
  if (reason === 'too_many_sockets') return 'Too many windows. ';
  if (reason === 'forbidden_origin') return 'Page not allowed. ';
  if (reason === 'rate_limited' || reason === 'closed_1008') return 'Too many attempts. ';
  if (reason === 'unavailable' || reason === 'draining') return 'The server is busy. ';
  return '';
}

/** @param {number | null} at @param {number} now */
function inSeconds(at, now) {
  const seconds = Math.ceil(((at ?? now) - now) / 1000);
  return seconds <= 0 ? 'now' : `in ${seconds} s`;
}

/** @param {Gap} gap */
export function gapLine(gap) {
  const missed = gap.before - gap.after - 1;
  switch (gap.reason) {
    case 'log_changed':
      return 'The server’s log was restored from an earlier state. What you read before may not be in it.';
    case 'position_expired':
      return 'You were away for longer than messages are kept. Some are gone.';
    default:
      return `${missed === 1 ? 'One message' : `${number(missed)} messages`} while you were away. Scroll up to read them.`;
  }
}

/** More names than this are told by their number, and more than so many are told by it even where all are asked for. */
const MOST_NAMES = 3;
const ALL_NAMES = 100;

/**
 * Who came and went, however many they are.
 * @param {string[]} joined @param {string[]} left
 */
export function trafficLine(joined, left) {
  const parts = [];
  if (joined.length > 0) parts.push(`${people(joined)} joined`);
  if (left.length > 0) parts.push(`${people(left)} left`);
  return parts.join(' · ');
}

/** Whether the line leaves out names. @param {string[]} joined @param {string[]} left */
export function trafficFolds(joined, left) {
  return joined.length > MOST_NAMES || left.length > MOST_NAMES;
}

/** All names, as far as anybody reads them. @param {string[]} joined @param {string[]} left */
export function fullTrafficLines(joined, left) {
  return [joined.length > 0 ? `Joined: ${all(joined)}` : '', left.length > 0 ? `Left: ${all(left)}` : ''].filter(Boolean);
}

/** @param {string[]} names */
function all(names) {
  // Never one other alone: its name is as short.
  if (names.length <= ALL_NAMES + 1) return names.join(', ');
  return `${names.slice(0, ALL_NAMES).join(', ')} and ${number(names.length - ALL_NAMES)} others`;
}

/** @param {string[]} names */
function people(names) {
  if (names.length <= MOST_NAMES) return names.join(', ');
  return `${names.slice(0, 2).join(', ')} and ${number(names.length - 2)} others`;
}

/** @param {string[]} names */
export function typingLine(names) {
  if (names.length === 0) return '';
  if (names.length === 1) return `${names[0]} is typing`;
  return names.length === 2 ? `${names[0]} and ${names[1]} are typing` : 'Several people are typing';
}

/** Why a message was refused. @param {ChorusError} error */
export function refusalLine(error) {
  if (error.code === 'queue_full') return 'Too many messages are waiting already.';
  if (error.code === 'id_conflict') return 'The server has another message under the same id.';
  return error.message || `Refused (${error.code}).`;
}

/** @param {number} value */
function number(value) {
  return value.toLocaleString('en');
}

/**
 * What is new in a place; empty: nothing.
 * @param {{unread: number, mentions: number, draft: boolean}} news
 */
export function newsWords({ unread, mentions, draft }) {
  return [unread > 0 && `${unread} unread`, mentions > 0 && (mentions === 1 ? 'one names you' : `${mentions} name you`), draft && 'a draft'].filter(Boolean).join(', ');
}

/** What would be lost by leaving now; empty: nothing. @param {number} messages @param {number} drafts @param {string[]} [rooms] where */
export function unsentLine(messages, drafts, rooms = []) {
  const parts = [messages === 1 ? 'one message' : messages > 1 && `${messages} messages`, drafts === 1 ? 'a draft' : drafts > 1 && `${drafts} drafts`].filter(Boolean).join(' and ');
  const one = messages + drafts === 1;
  const where = rooms.length > 0 ? ` ${one ? 'It is' : 'They are'} in ${people(rooms)}.` : '';
  return parts && `${parts.charAt(0).toUpperCase()}${parts.slice(1)} ${one ? 'is' : 'are'} not sent yet.${where}`;
}

/** @param {number} unread @param {string} room @param {string} server */
export function pageTitle(unread, room, server) {
  const number = unread > 99 ? '(99+) ' : unread > 0 ? `(${unread}) ` : '';
  return `${number}${room} · ${server}`;
}

/** @param {import('./state.js').NotifyTrouble} trouble */
export function troubleLine(trouble) {
  if (trouble === 'asking') return 'Your browser asks you to allow it.';
  if (trouble === 'denied') return 'Your browser blocks notifications from this page. Allow them in its settings, left of the address.';
  if (trouble === 'missing') return 'This could not be loaded. Try again.';
  return trouble === 'unable' ? 'This browser can’t show notifications from this page.' : '';
}

/** @param {import('./state.js').Missing} missing */
export function missingLine({ part }) {
  return part === 'jump' ? 'The list of rooms could not be opened.' : 'The form for a new password could not be opened.';
}

// Times as people read them, in the reader's own zone and habit.
const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const day = new Intl.DateTimeFormat('en', { weekday: 'long', day: 'numeric', month: 'long' });
const dayAndYear = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'long', year: 'numeric' });

/** @param {number} at Unix milliseconds */
export function clockTime(at) {
  return clock.format(at);
}

/** Without the half of the day, for where there is little room. @param {number} at Unix milliseconds */
export function shortTime(at) {
  return clock.formatToParts(at).map(({ type, value }) => (type === 'dayPeriod' ? '' : value)).join('').trim();
}

/** @param {number} at Unix milliseconds */
export function exactTime(at) {
  return exact.format(at);
}

/** @param {number} at Unix milliseconds @param {number} now */
export function dayName(at, now) {
  if (dayOf(at) === dayOf(now)) return 'Today';
  if (dayOf(at) === dayOf(now - 86_400_000)) return 'Yesterday';
  return now - at < 180 * 86_400_000 ? day.format(at) : dayAndYear.format(at);
}
