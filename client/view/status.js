/**
 * The line by the composer, where the thread ends: the state of the connection, never more than it is,
 * and who is typing.
 */
import { currentRoom } from '../state.js';
import { statusLine, typingLine } from '../words.js';
import { byId, setText, show } from './dom.js';

/** @typedef {import('../state.js').State} State */

export class StatusView {
  #chat = byId('chat', HTMLDivElement);
  #text = byId('status-text', HTMLParagraphElement);
  #now = byId('status-now', HTMLButtonElement);
  #typing = byId('typing', HTMLParagraphElement);

  /** @param {{reconnectNow: () => void}} actions */
  constructor(actions) {
    this.#now.addEventListener('click', () => actions.reconnectNow());
  }

  /** @param {State} state */
  render(state) {
    const { tone, text, action } = statusLine(state);
    this.#chat.dataset['tone'] = tone;
    // The seconds run; a screen reader should hear of the loss once, not every second.
    this.#text.setAttribute('aria-live', text.includes('Reconnecting in') && this.#text.textContent?.includes('Reconnecting in') ? 'off' : 'polite');
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
