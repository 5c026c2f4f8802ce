/**
 * A person's mark: the initial on a hue that follows from the name, the same everywhere and always.
 */
import { make } from './dom.js';

/** @param {string} username @returns {number} degrees */
export function hue(username) {
  let hash = 2166136261;
  for (const char of username.toLowerCase()) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619);
  // The low bits of this hash differ little between short names; mix once more.
  hash = Math.imul(hash ^ (hash >>> 15), 2246822507);
  return ((hash ^ (hash >>> 13)) >>> 0) % 360;
}

/** @param {HTMLElement} element @param {string} username */
export function coloured(element, username) {
  element.style.setProperty('--hue', String(hue(username)));
  return element;
}

/** @param {string} username */
export function avatar(username) {
  const element = make('span', 'avatar', [...username][0]?.toUpperCase() ?? '');
  element.setAttribute('aria-hidden', 'true');
  return coloured(element, username);
}
