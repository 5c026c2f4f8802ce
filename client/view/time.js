/**
 * Times as people read them, in the reader's own zone and habit.
 */
import { dayOf } from '../thread.js';

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const day = new Intl.DateTimeFormat('en', { weekday: 'long', day: 'numeric', month: 'long' });
const dayAndYear = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'long', year: 'numeric' });

/** @param {number} at Unix milliseconds */
export function clockTime(at) {
  return clock.format(at);
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

/** How long ago, in a word. @param {number} at Unix milliseconds @param {number} now */
export function agoWord(at, now) {
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return dayName(at, now);
}
