/**
 * What the keys do, as a list: a dialog that is made when somebody asks for it.
 */
import { make } from './dom.js';

/** By where they are pressed; in each place a key does one thing. @type {[string, [string[], string][]][]} */
const KEYS = [
  ['Anywhere', [
    [['Ctrl+K'], 'Find or create a room'],
    [['Ctrl+K', 'Enter'], 'Back to the room you came from'],
    [['Alt+↑'], 'The room above'],
    [['Alt+↓'], 'The room below'],
    [['Alt+Shift+↑'], 'The next unread room above'],
    [['Alt+Shift+↓'], 'The next unread room below'],
    [['Esc'], 'To where you write'],
    [['Ctrl+/'], 'This list'],
  ]],
  ['Where you write', [
    [['Enter'], 'Send'],
    [['Shift+Enter'], 'A new line'],
    [['@'], 'Name somebody who is here'],
    [['↑'], 'In an empty field: edit what was not sent'],
    [['Page Up', 'Page Down'], 'Scroll through the messages'],
    [['Esc'], 'To the newest; your text stays'],
    [['Shift+Tab'], 'To the last message in sight'],
  ]],
  ['On a message', [
    [['Enter'], 'What can be done with the message'],
    [['Ctrl+C'], 'Copy its text'],
    [['↑', '↓'], 'The message above, the one below'],
    [['Page Up', 'Page Down'], 'A screen up, a screen down'],
    [['Home', 'End'], 'The first message, the newest'],
    [['Tab'], 'To the links and buttons in it'],
    [['/', 'any letter'], 'Begin to write'],
    [['?'], 'This list'],
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
