/**
 * System, light or dark. It stands on the entrance and in the menu.
 */
import { choice } from './choice.js';
import { make } from './dom.js';

/** @typedef {import('../state.js').Theme} Theme */

/** @type {[Theme, string][]} */
const CHOICES = [
  ['system', 'System'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

/**
 * @param {string} place
 * @param {(theme: Theme) => void} choose
 */
export function themeSwitch(place, choose) {
  return choice({ name: `theme-${place}`, legend: make('legend', 'unseen', 'Theme'), choices: CHOICES, choose });
}
