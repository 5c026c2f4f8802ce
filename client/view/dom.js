/**
 * Making and keeping elements, and the one control that HTML lacks. Text enters the page here and only as
 * text.
 */

/**
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`The page has no ${type.name} with id ${id}.`);
  return element;
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} className
 * @param {string | (Node | null)[]} [content] text, or children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, className, content = []) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (typeof content === 'string') element.textContent = content;
  else for (const child of content) if (child) element.append(child);
  return element;
}

/** Writes only what changed: a screen reader repeats what is written again. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {HTMLElement} element @param {boolean} shown */
export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/**
 * What is wrong with a field, if anything: it describes it, and the hint does while nothing is. Where the focus
 * is in the field already it is said at once; otherwise the field says it when the focus comes.
 * @param {HTMLInputElement} field @param {HTMLElement | null} hint @param {HTMLElement} error @param {string | undefined} words
 */
export function fieldError(field, hint, error, words) {
  show(error, words !== undefined);
  if (words !== undefined && document.activeElement === field) error.setAttribute('role', 'alert');
  else error.removeAttribute('role');
  // Written anew even if it is the same: somebody tried again.
  error.textContent = words ?? '';
  field.setAttribute('aria-invalid', String(words !== undefined));
  field.setAttribute('aria-describedby', [hint, error].filter((part) => part && !part.hidden).map((part) => part?.id).join(' '));
}

/**
 * Makes the children of `parent` be one element per item, in order. An element stays the same for as
 * long as its key does, so that selection, focus and scroll position outlive a change elsewhere.
 * One made anew takes the focus over.
 * @template {{key: string}} I
 * @param {HTMLElement} parent
 * @param {I[]} items
 * @param {(item: I, known: HTMLElement | null) => HTMLElement} draw the same element when it can stay
 * @param {Map<string, HTMLElement>} known what the last call left, by key
 * @returns {boolean} whether any child came, went or was made anew
 */
export function keyed(parent, items, draw, known) {
  let changed = false;
  const kept = new Set(items.map(({ key }) => key));
  for (const [key, element] of known) {
    if (kept.has(key)) continue;
    element.remove();
    known.delete(key);
    changed = true;
  }
  let next = parent.firstElementChild;
  for (const item of items) {
    const before = known.get(item.key) ?? null;
    const element = draw(item, before);
    if (before && before !== element) {
      if (before === next) next = before.nextElementSibling;
      if (before === document.activeElement) queueMicrotask(() => element.focus({ preventScroll: true }));
      before.remove();
    }
    known.set(item.key, element);
    if (element === next) next = element.nextElementSibling;
    else {
      parent.insertBefore(element, next);
      changed = true;
    }
  }
  return changed;
}

/**
 * A button in a field for a password that shows what was written there. With whatever ends the form it is
 * hidden again.
 * @param {HTMLInputElement} input
 */
export function reveal(input) {
  const button = make('button', 'reveal', 'Show');
  const to = (/** @type {boolean} */ shown) => {
    input.type = shown ? 'text' : 'password';
    button.ariaPressed = String(shown);
  };
  button.type = 'button';
  button.ariaLabel = 'Show password';
  button.addEventListener('click', () => to(input.type === 'password'));
  for (const end of ['submit', 'reset']) input.form?.addEventListener(end, () => to(false));
  to(false);
  input.after(button);
}

/** @typedef {import('../state.js').Theme} Theme */

/** @type {[Theme, string][]} */
const THEMES = [
  ['system', 'System'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

/**
 * One of a few: radio buttons that look like one control. Each on the page has a name of its own, because
 * radio buttons of one name are one choice.
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
      if (!input || input.checked) return;
      input.checked = true;
      // Where another was asked for and can't be had, the arrows go on from the one that holds.
      if ([...inputs.values()].some((other) => other === document.activeElement)) input.focus();
    },
  };
}

/**
 * System, light or dark. It stands on the entrance and in the menu.
 * @param {string} place
 * @param {(theme: Theme) => void} choose
 */
export function themeSwitch(place, choose) {
  return choice({ name: `theme-${place}`, legend: make('legend', place === 'menu' ? 'hint' : 'unseen', 'Theme'), choices: THEMES, choose });
}
