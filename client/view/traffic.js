/**
 * The line of who came and went. Long ones fold the names away; a button opens and closes them, the
 * same for pointer, finger and keyboard. It is updated in place, so that it stays open and focused
 * while more people come.
 */
import { fullTrafficLines, trafficFolds, trafficLine } from '../words.js';
import { make, setText } from './dom.js';

/**
 * @param {{joined: string[], left: string[]}} note
 * @param {HTMLElement | null} known the element of an earlier state of the same line
 */
export function traffic({ joined, left }, known) {
  const row = known ?? make('li', 'row line note traffic', [make('div', 'words')]);
  const words = row.firstElementChild;
  if (!(words instanceof HTMLElement)) return row;
  const line = trafficLine(joined, left);
  if (!trafficFolds(joined, left)) {
    words.replaceChildren(make('span', '', line));
    return row;
  }
  const fold = row.querySelector('button') ?? unfolded(words);
  setText(fold, line);
  const names = row.querySelector('.names');
  names?.replaceChildren(...fullTrafficLines(joined, left).map((text) => make('p', '', text)));
  return row;
}

/** @param {HTMLElement} words */
function unfolded(words) {
  const fold = make('button', 'fold');
  const names = make('div', 'names');
  fold.type = 'button';
  names.hidden = true;
  fold.setAttribute('aria-expanded', 'false');
  fold.addEventListener('click', () => {
    names.hidden = !names.hidden;
    fold.setAttribute('aria-expanded', String(!names.hidden));
    names.scrollIntoView({ block: 'nearest' });
  });
  words.replaceChildren(fold, names);
  return fold;
}
