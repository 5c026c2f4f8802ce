/**
 * Writing an @name with help: what is being typed, who may be meant, and the text once one is taken.
 * Pure; the list on the page is view/mention-picker.js.
 */

/** @typedef {{from: number, query: string}} Asked from: where the @ stands */

const MOST = 6;
const LONGEST = 50;

/**
 * The unfinished @name that ends at the caret.
 * @param {string} text @param {number} caret
 * @returns {Asked | null}
 */
export function askedAt(text, caret) {
  let from = caret;
  while (from > 0 && caret - from <= LONGEST && /[A-Za-z0-9_]/.test(text[from - 1] ?? '')) from -= 1;
  const before = text.slice(Math.max(0, from - 3), from - 1);
  if (text[from - 1] !== '@' || /[\p{L}\p{M}\p{N}_@]$/u.test(before)) return null;
  // In the middle of a word nobody is being named anew.
  return /[A-Za-z0-9_]/.test(text[caret] ?? '') ? null : { from: from - 1, query: text.slice(from, caret) };
}

/**
 * Who may be meant: names that begin so, then names with it inside. Nobody when the only one is
 * written out already: there is nothing to choose, and Enter shall send.
 * @param {string[]} names @param {string} query @param {string} me
 */
export function matching(names, query, me) {
  const wanted = query.toLowerCase();
  const beginning = [];
  const inside = [];
  for (const name of names) {
    if (name === me) continue;
    const at = name.toLowerCase().indexOf(wanted);
    if (at === 0) beginning.push(name);
    else if (at > 0) inside.push(name);
  }
  const found = [...beginning, ...inside];
  return found.length === 1 && found[0]?.toLowerCase() === wanted ? [] : found.slice(0, MOST);
}

/**
 * What replaces the unfinished name: the whole one, and a space where the text ends with it.
 * @param {string} text @param {number} caret @param {string} name
 */
export function completed(text, caret, name) {
  return caret === text.length ? `@${name} ` : `@${name}`;
}
