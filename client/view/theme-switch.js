/**
 * System, light or dark: three radio buttons that look like one control. It stands on the entrance and
 * in the menu, each with a name of its own, because radio buttons of one name are one choice.
 */
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
  /** @type {Map<Theme, HTMLInputElement>} */
  const inputs = new Map();
  const labels = CHOICES.map(([theme, words]) => {
    const input = make('input', 'unseen');
    input.type = 'radio';
    input.name = `theme-${place}`;
    input.value = theme;
    input.addEventListener('change', () => choose(theme));
    inputs.set(theme, input);
    return make('label', '', [input, make('span', '', words)]);
  });
  const element = make('fieldset', 'theme', [make('legend', 'unseen', 'Theme'), ...labels]);
  return {
    element,
    /** @param {Theme} theme */
    render(theme) {
      const input = inputs.get(theme);
      if (input && !input.checked) input.checked = true;
    },
  };
}
