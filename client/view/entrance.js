/**
 * The sign-in screen: one form for coming in and for a new account, errors beside the field they are
 * about, and the demo accounts where the server has them.
 */
import { themeSwitch } from './choice.js';
import { byId, setText, show } from './dom.js';

/** @typedef {import('../entrance.js').Front} Front */
/** @typedef {import('../entrance.js').Entrance} Entrance */
/**
 * @typedef {object} EntranceActions
 * @property {(mode: Entrance['mode'], username: string, password: string) => void} enter
 * @property {(mode: Entrance['mode']) => void} setMode
 * @property {(theme: Front['theme']) => void} setTheme
 */

const WORDS = {
  signin: { lead: 'Sign in to join the conversation.', submit: 'Sign in', busy: 'Signing in', question: 'New here?', other: 'Create an account' },
  register: { lead: 'A name and a password, nothing else.', submit: 'Create account', busy: 'Creating the account', question: 'Have an account?', other: 'Sign in' },
};

export class EntranceView {
  #screen = byId('entrance', HTMLElement);
  #name = byId('server-name', HTMLSpanElement);
  #lead = byId('entrance-lead', HTMLParagraphElement);
  #notice = byId('entrance-notice', HTMLParagraphElement);
  #form = byId('entrance-form', HTMLFormElement);
  #submit = byId('entrance-submit', HTMLButtonElement);
  #switch = byId('entrance-switch', HTMLParagraphElement);
  #question = byId('entrance-question', HTMLSpanElement);
  #mode = byId('entrance-mode', HTMLButtonElement);
  #demo = byId('demo', HTMLDivElement);
  #inputs = { username: byId('username', HTMLInputElement), password: byId('password', HTMLInputElement) };
  #hints = { username: byId('username-hint', HTMLParagraphElement), password: byId('password-hint', HTMLParagraphElement) };
  #errors = {
    username: byId('username-error', HTMLParagraphElement),
    password: byId('password-error', HTMLParagraphElement),
    form: byId('form-error', HTMLParagraphElement),
  };
  #theme;
  /** @type {Entrance | null} */
  #shown = null;
  /** @type {Front['limits'] | null} */
  #limits = null;

  /** @param {EntranceActions} actions */
  constructor(actions) {
    const mode = () => this.#shown?.mode ?? 'signin';
    this.#theme = themeSwitch('entrance', actions.setTheme);
    byId('entrance-theme', HTMLDivElement).append(this.#theme.element);
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (!this.#shown?.busy) actions.enter(mode(), this.#inputs.username.value.trim(), this.#inputs.password.value);
    });
    this.#mode.addEventListener('click', () => {
      actions.setMode(mode() === 'signin' ? 'register' : 'signin');
      this.#inputs.username.focus();
    });
    for (const button of this.#demo.querySelectorAll('button')) {
      const name = button.dataset['demo'] ?? '';
      button.addEventListener('click', () => actions.enter('signin', name, `${name}1234`));
    }
  }

  /** @param {Front} front */
  render({ open, entrance, server, theme, limits }) {
    const opened = open && this.#screen.hidden;
    show(this.#screen, open);
    this.#theme.render(theme);
    setText(this.#name, server?.name ?? 'Chorus');
    show(this.#demo, server?.demoAccounts === true && entrance.mode === 'signin');
    show(this.#switch, server?.registration !== 'closed');
    if (entrance !== this.#shown || limits !== this.#limits) this.#draw(entrance, limits);
    if (opened) {
      this.#inputs.password.value = '';
      (this.#inputs.username.value ? this.#inputs.password : this.#inputs.username).focus();
    }
  }

  /** @param {Entrance} entrance @param {Front['limits']} limits */
  #draw(entrance, limits) {
    const { mode, busy, errors, notice } = entrance;
    const failed = this.#shown !== null && errors !== this.#shown.errors;
    this.#shown = entrance;
    this.#limits = limits;
    const words = WORDS[mode];
    setText(this.#lead, words.lead);
    setText(this.#submit, busy ? words.busy : words.submit);
    setText(this.#question, words.question);
    setText(this.#mode, words.other);
    this.#submit.setAttribute('aria-disabled', String(busy));
    show(this.#notice, notice !== null);
    setText(this.#notice, notice ?? '');
    // What tells a password manager whether to offer a known password or to make one.
    this.#inputs.password.autocomplete = mode === 'signin' ? 'current-password' : 'new-password';
    setText(this.#hints.username, `${limits.usernameMin} to ${limits.usernameMax} letters, digits or _`);
    setText(this.#hints.password, `At least ${limits.passwordMin} characters`);
    for (const field of /** @type {const} */ (['username', 'password'])) {
      show(this.#hints[field], mode === 'register' && !errors[field]);
      this.#inputs[field].setAttribute('aria-invalid', String(errors[field] !== undefined));
    }
    for (const field of /** @type {const} */ (['username', 'password', 'form'])) {
      show(this.#errors[field], errors[field] !== undefined);
      setText(this.#errors[field], errors[field] ?? '');
    }
    if (failed) (errors.username ? this.#inputs.username : errors.password ? this.#inputs.password : null)?.focus();
  }
}
