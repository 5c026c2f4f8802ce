/**
 * The foot of the room, where the thread ends: where one writes, and the lines above that.
 */
import { acceptedText, countChars } from '../sdk/protocol.js';
import { currentRoom } from '../state.js';
import { missingLine, statusLine, typingLine } from '../words.js';
import { byId, setText, show } from './dom.js';

/** @typedef {import('../state.js').State} State */
/**
 * @typedef {object} ComposerActions
 * @property {(text: string) => void} send
 * @property {() => void} recall takes back the latest own text that was not sent
 * @property {() => void} typing
 * @property {(room: string, text: string) => void} written what stands in the field now
 * @property {() => void} toEnd
 * @property {() => Promise<typeof import('./mention-picker.js').MentionPicker>} helpWithNames
 */

/** So many characters before the limit the count appears. */
const NEAR = 60;

/**
 * Where one writes. Enter sends where there is a real keyboard, and never in the middle of composing
 * a character; the length is counted as the server counts it, and said only when it matters.
 */
export class ComposerView {
  #form = byId('composer', HTMLFormElement);
  #text = byId('text', HTMLTextAreaElement);
  #label = byId('text-label', HTMLLabelElement);
  #count = byId('count', HTMLParagraphElement);
  #send = byId('send', HTMLButtonElement);
  /** From the first @ on. @type {import('./mention-picker.js').MentionPicker | null} */
  #picker = null;
  /** @type {State | null} */
  #state = null;
  #actions;
  #limit = 500;
  /** Whose draft is in the field. @type {string | null} */
  #room = null;

  /** @param {ComposerActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener('input', () => {
      this.#measure();
      this.#tell();
      if (this.#text.value.trim() !== '') actions.typing();
      if (!this.#picker && this.#text.value.includes('@')) void this.#helpWithNames();
    });
    this.#text.addEventListener('keydown', (event) => this.#key(event));
    window.addEventListener('resize', () => this.#grow());
  }

  /** @param {State} state */
  render(state) {
    this.#state = state;
    this.#picker?.render(state);
    if (state.session && state.current !== this.#room) {
      this.#room = state.current;
      this.write(state.drafts[state.current] ?? '');
    }
    const limit = state.limits.messageChars;
    const off = currentRoom(state)?.closed?.missing === true;
    const placeholder = off ? 'No room to write to' : `Write to ${state.current}`;
    this.#text.disabled = off;
    this.#send.disabled = off;
    if (this.#text.placeholder !== placeholder) this.#text.placeholder = placeholder;
    setText(this.#label, `Message to ${state.current}`);
    if (limit === this.#limit) return;
    this.#limit = limit;
    this.#measure();
  }

  focus() {
    this.#text.focus({ preventScroll: true });
  }

  /** Nothing one person wrote may be left for the next. */
  clear() {
    this.#room = null;
    this.write('');
  }

  #tell() {
    if (this.#room !== null) this.#actions.written(this.#room, this.#text.value);
  }

  get text() {
    return this.#text.value;
  }

  /** As if the reader had written it: it becomes the room's draft. @param {string} text */
  put(text) {
    this.write(text);
    this.#tell();
  }

  /** @param {string} text */
  write(text) {
    this.#text.value = text;
    this.#text.setSelectionRange(text.length, text.length);
    this.#measure();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (this.#picker?.key(event)) return;
    if (event.key === 'ArrowUp' && this.#text.value === '' && !event.isComposing) return this.#actions.recall();
    // 229: browsers that end the composition before they tell of the key that ended it.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (matchMedia('(hover: none) and (pointer: coarse)').matches) return;
    event.preventDefault();
    this.#submit();
  }

  async #helpWithNames() {
    try {
      const Picker = await this.#actions.helpWithNames();
      if (this.#picker || !this.#state) return;
      const picker = new Picker(this.#text);
      picker.render(this.#state);
      picker.look();
      this.#picker = picker;
    } catch {
      // A name can be written without help; the next letter asks again.
    }
  }

  #submit() {
    const text = acceptedText(this.#text.value);
    const over = countChars(text) - this.#limit;
    if (over > 0) setText(this.#count, `Not sent: ${tooMany(over)}`);
    if (text === '' || over > 0) return this.focus();
    this.put('');
    this.#actions.send(text);
    this.focus();
  }

  #measure() {
    const length = countChars(acceptedText(this.#text.value));
    const left = this.#limit - length;
    this.#form.classList.toggle('over', left < 0);
    setText(this.#count, left < 0 ? tooMany(-left) : left <= NEAR && left < this.#limit ? `${left} left` : '');
    this.#text.setAttribute('aria-invalid', String(left < 0));
    this.#send.classList.toggle('ready', length > 0 && left >= 0);
    this.#grow();
  }

  /** As high as its text, up to what the style allows. */
  #grow() {
    this.#text.style.height = 'auto';
    const { scrollHeight } = this.#text;
    // Nothing is high while it is not shown.
    if (scrollHeight > 0) this.#text.style.height = `${scrollHeight}px`;
    this.#actions.toEnd();
  }
}

/** @param {number} over */
function tooMany(over) {
  return `${over} ${over === 1 ? 'character' : 'characters'} too many`;
}

/** The line of the connection's state, never more than it is, and of who is typing. */
export class StatusView {
  #chat = byId('chat', HTMLDivElement);
  #text = byId('status-text', HTMLParagraphElement);
  #now = byId('status-now', HTMLButtonElement);
  #typing = byId('typing', HTMLParagraphElement);

  #changed;
  /** That all is well is worth a word only when it was not. */
  #troubled = false;

  /** @param {{reconnectNow: () => void, changed: (line: import('../words.js').StatusLine) => void}} actions */
  constructor(actions) {
    this.#changed = actions.changed;
    this.#now.addEventListener('click', () => actions.reconnectNow());
  }

  /** @param {State} state */
  render(state) {
    const status = statusLine(state);
    const { tone, text, action } = status;
    this.#chat.dataset['tone'] = tone;
    this.#troubled ||= tone === 'off' || tone === 'bad';
    if (this.#troubled && this.#text.textContent !== text) this.#changed(status);
    setText(this.#text, text);
    show(this.#now, action === 'now');
    const line = typingLine(typing(state));
    setText(this.#typing, line);
    // Two long names do not fit on a phone.
    if (this.#typing.title !== line) this.#typing.title = line;
  }
}

/** @param {State} state */
function typing(state) {
  const { now, session } = state;
  const until = currentRoom(state)?.typing ?? {};
  return Object.keys(until).filter((name) => (until[name] ?? 0) > now && name !== session?.username);
}

/**
 * One quiet line above the composer: what was done just now, that the server has a newer client than this
 * page, or that a part of the page could not be loaded. Nothing is reloaded without being asked: somebody
 * may be writing.
 */
export class UpdatedView {
  #line = byId('updated', HTMLDivElement);
  #text = byId('updated-text', HTMLSpanElement);
  #button = byId('updated-button', HTMLButtonElement);
  /** @type {'reload' | 'again' | 'undo' | null} */
  #does = null;

  /** @param {{reload: () => void, again: () => void, undo: () => void}} actions */
  constructor(actions) {
    this.#button.addEventListener('click', () => this.#does && actions[this.#does]());
  }

  /** @param {State} state */
  render({ updated, missing, told }) {
    // What belongs to another version is not found by trying again.
    const does = told ? (told.undo === null ? null : 'undo') : updated || missing?.reload ? 'reload' : missing ? 'again' : null;
    const text = told ? told.text : updated ? 'Chorus was updated.' : missing ? missingLine(missing) : '';
    const { activeElement: active } = document;
    const had = active === this.#button;
    // The button that was pressed has gone.
    const lost = active === document.body || active?.closest('[hidden]');
    const offers = does === 'undo' && this.#does !== does;
    this.#does = does;
    this.#line.classList.toggle('shown', text !== '');
    // Written when it happens, so that it is also heard.
    setText(this.#text, text);
    setText(this.#button, does === 'undo' ? 'Undo' : does === 'again' ? 'Try again' : 'Reload');
    show(this.#button, does !== null);
    if (offers && lost) this.#button.focus();
    if (had && does === null) byId('scroll', HTMLDivElement).focus({ preventScroll: true });
  }
}
