/**
 * Where one writes. Enter sends where there is a real keyboard, and never in the middle of composing
 * a character; the length is counted as the server counts it, and said only when it matters.
 */
import { acceptedText, countChars } from '../sdk/protocol.js';
import { byId, setText } from './dom.js';
import { MentionPicker } from './mention-picker.js';

/** @typedef {import('../state.js').State} State */
/**
 * @typedef {object} ComposerActions
 * @property {(text: string) => void} send
 * @property {() => string | null} recall takes back the latest own text that was not sent
 * @property {() => void} typing
 * @property {() => void} toEnd
 */

/** So many characters before the limit the count appears. */
const NEAR = 60;

export class ComposerView {
  #form = byId('composer', HTMLFormElement);
  #text = byId('text', HTMLTextAreaElement);
  #count = byId('count', HTMLParagraphElement);
  #send = byId('send', HTMLButtonElement);
  #picker = new MentionPicker(this.#text);
  #actions;
  #limit = 500;

  /** @param {ComposerActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener('input', () => {
      this.#measure();
      if (this.#text.value.trim() !== '') actions.typing();
    });
    this.#text.addEventListener('keydown', (event) => this.#key(event));
    window.addEventListener('resize', () => this.#grow());
  }

  /** @param {State} state */
  render(state) {
    this.#picker.render(state);
    const limit = state.limits.messageChars;
    const placeholder = `Write to ${state.current}`;
    if (this.#text.placeholder !== placeholder) this.#text.placeholder = placeholder;
    if (limit === this.#limit) return;
    this.#limit = limit;
    this.#measure();
  }

  focus() {
    this.#text.focus({ preventScroll: true });
  }

  /** Nothing one person wrote may be left for the next. */
  clear() {
    this.write('');
  }

  get text() {
    return this.#text.value;
  }

  /** @param {string} text */
  write(text) {
    this.#text.value = text;
    this.#text.setSelectionRange(text.length, text.length);
    this.#measure();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (this.#picker.key(event)) return;
    if (event.key === 'ArrowUp' && this.#text.value === '' && !event.isComposing) return this.#recall(event);
    // 229: browsers that end the composition before they tell of the key that ended it.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (matchMedia('(hover: none) and (pointer: coarse)').matches) return;
    event.preventDefault();
    this.#submit();
  }

  /** @param {KeyboardEvent} event */
  #recall(event) {
    const text = this.#actions.recall();
    if (text === null) return;
    event.preventDefault();
    this.write(text);
  }

  #submit() {
    const text = acceptedText(this.#text.value);
    if (text === '' || countChars(text) > this.#limit) return this.focus();
    this.clear();
    this.#actions.send(text);
    this.focus();
  }

  #measure() {
    const length = countChars(acceptedText(this.#text.value));
    const left = this.#limit - length;
    this.#form.classList.toggle('over', left < 0);
    setText(this.#count, left < 0 ? `${-left} too many` : left <= NEAR && left < this.#limit ? `${left} left` : '');
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
