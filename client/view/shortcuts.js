/**
 * What the keys do, as a list: a dialog that is made when somebody asks for it.
 */
import { make } from './dom.js';

/** @type {[string, [string[], string][]][]} */
const KEYS = [
  ['Anywhere', [
    [['Ctrl+K'], 'Find or create a room; with Enter, back to the one before'],
    [['Alt+↑', 'Alt+↓'], 'The room above, the room below'],
    [['Alt+Shift+↑', 'Alt+Shift+↓'], 'The next one with something new'],
    [['Esc'], 'To where you write; from there to the newest message'],
    [['Ctrl+/', '?'], 'This list'],
  ]],
  ['Writing', [
    [['Enter', 'Shift+Enter'], 'Send, begin a new line'],
    [['↑'], 'Take back what was not sent, in an empty field'],
    [['@'], 'Name somebody who is here'],
    [['Page Up', 'Page Down'], 'Read the messages above'],
  ]],
  ['Messages', [
    [['Shift+Tab'], 'From where you write to the last message in sight'],
    [['↑', '↓', 'Page Up', 'Page Down', 'Home', 'End'], 'From message to message'],
    [['Tab'], 'To the links and buttons in it; the time is its address'],
    [['/', 'any letter'], 'Begin to write'],
  ]],
];

/** @type {HTMLDialogElement | null} */
let shown = null;

export function showShortcuts() {
  shown ??= made();
  if (!shown.open) shown.showModal();
}

function made() {
  const title = make('h2', '', 'Keyboard');
  title.id = 'shortcuts-title';
  const close = make('button', 'button', 'Close');
  close.type = 'button';
  // The button comes first: where the list is higher than the window, its beginning is seen.
  const dialog = make('dialog', 'dialog shortcuts', [make('div', 'top', [title, close]), ...KEYS.map(part)]);
  dialog.setAttribute('aria-labelledby', title.id);
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', ({ target }) => target === dialog && dialog.close());
  document.body.append(dialog);
  return dialog;
}

/** @param {(typeof KEYS)[number]} part */
function part([name, keys]) {
  const rows = keys.flatMap(([combinations, words]) => [make('dt', '', combinations.map((keys) => make('kbd', '', apple(keys)))), make('dd', '', words)]);
  return make('section', '', [make('h3', 'label', name), make('dl', '', rows)]);
}

/** @param {string} keys as they are called on this machine's keyboard */
function apple(keys) {
  return /Mac|iPhone|iPad/.test(navigator.platform) ? keys.replace('Ctrl+', '⌘').replace('Alt+', '⌥').replace('Shift+', '⇧') : keys;
}
