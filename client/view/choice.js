/**
 * One of a few: radio buttons that look like one control. Each on the page has a name of its own,
 * because radio buttons of one name are one choice. And the one that stands in two places: the theme.
 */
import { make } from './dom.js';

/** @typedef {import('../state.js').Theme} Theme */

/** @type {[Theme, string][]} */
const THEMES = [
  ['system', 'System'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

/**
 * @template {string} T
 * @param {{name: string, legend: HTMLLegendElement, choices: [T, string][], choose: (value: T) => void}} what
 */
export function choice({ name, legend, choices, choose }) {
  /** @type {Map<T, HTMLInputElement>} */
  const inputs = new Map();
  const labels = choices.map(([value, words]) => {
    const input = make('input', 'unseen');
    input.type = 'radio';
    input.name = name;
    input.value = value;
    input.addEventListener('change', () => choose(value));
    inputs.set(value, input);
    return make('label', '', [input, make('span', '', words)]);
  });
  return {
    element: make('fieldset', 'choice', [legend, make('div', 'theme', labels)]),
    /** @param {T} value */
    render(value) {
      const input = inputs.get(value);
      if (input && !input.checked) input.checked = true;
    },
  };
}

/**
 * System, light or dark. It stands on the entrance and in the menu.
 * @param {string} place
 * @param {(theme: Theme) => void} choose
 */
export function themeSwitch(place, choose) {
  return choice({ name: `theme-${place}`, legend: make('legend', 'unseen', 'Theme'), choices: THEMES, choose });
}
