/**
 * The sign-in screen: one form for coming in and for a new account, errors beside the field they are
 * about, and the demo accounts where the server has them.
 */
import { byId, fieldError, reveal, setText, show, themeSwitch } from './dom.js';

/** @typedef {import('../sdk/protocol.js').ChorusError} ChorusError */
/** @typedef {'username' | 'password' | 'form'} Field where an error is shown */
/**
 * @typedef {object} Entrance
 * @property {'signin' | 'register'} mode
 * @property {boolean} busy
 * @property {{[field in Field]?: string}} errors
 * @property {string | null} notice why somebody is here who was signed in
 */
/**
 * @typedef {object} Front what the page is before anybody is signed in
 * @property {boolean} open the entrance is shown
 * @property {string | null} leadsTo the room that the link led to by which somebody came
 * @property {Entrance} entrance
 * @property {import('../sdk/api.js').ServerInfo | null} server
 * @property {import('../sdk/protocol.js').Limits} limits
 * @property {import('../state.js').Theme} theme
 */
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
    reveal(this.#inputs.password);
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
  render({ open, leadsTo, entrance, server, theme, limits }) {
    const opened = open && this.#screen.hidden;
    show(this.#screen, open);
    this.#theme.render(theme);
    const name = server?.name ?? 'Chorus';
    setText(this.#name, name);
    if (open) document.title = `${WORDS[entrance.mode].submit} – ${name}`;
    show(this.#demo, server?.demoAccounts === true && entrance.mode === 'signin');
    show(this.#switch, server?.registration !== 'closed');
    if (entrance !== this.#shown || limits !== this.#limits) this.#draw(entrance, limits);
    setText(this.#lead, leadsTo !== null && entrance.mode === 'signin' ? `Sign in to open #${leadsTo}.` : WORDS[entrance.mode].lead);
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
    setText(this.#submit, busy ? words.busy : words.submit);
    setText(this.#question, words.question);
    setText(this.#mode, words.other);
    this.#submit.setAttribute('aria-disabled', String(busy));
    show(this.#notice, notice !== null);
    setText(this.#notice, notice ?? '');
    // What tells a password manager whether to offer a known password or to make one.
    this.#inputs.password.autocomplete = mode === 'signin' ? 'current-password' : 'new-password';
    setText(this.#hints.username, `${limits.usernameMin} to ${limits.usernameMax} characters: a–z, 0–9 and _`);
    setText(this.#hints.password, `At least ${limits.passwordMin} characters`);
    for (const field of /** @type {const} */ (['username', 'password'])) {
      show(this.#hints[field], mode === 'register' && !errors[field]);
      fieldError(this.#inputs[field], this.#hints[field], this.#errors[field], errors[field]);
    }
    show(this.#errors.form, errors.form !== undefined);
    this.#errors.form.textContent = errors.form ?? '';
    const wrong = failed && (errors.username ? this.#inputs.username : errors.password ? this.#inputs.password : null);
    // What is wrong is written anew.
    if (wrong) wrong.select();
  }
}

/** For somebody who comes, or comes back. @param {string | null} notice @returns {Entrance} */
export function freshEntrance(notice) {
  return { mode: 'signin', busy: false, errors: {}, notice };
}

/**
 * Where an error of the entrance belongs, and what it says there.
 * @param {ChorusError} error
 * @param {Entrance['mode']} mode
 * @returns {Entrance['errors']}
 */
export function entranceErrors(error, mode) {
  switch (error.code) {
    case 'invalid_credentials':
      return { password: 'Wrong name or password.' };
    case 'invalid_username':
      return { username: error.message };
    case 'username_taken':
      return { username: 'This name is taken.' };
    case 'invalid_password':
      return { password: error.message };
    case 'registration_closed':
      return { form: 'This server takes no new accounts.' };
    case 'rate_limited': {
      const minutes = Math.ceil((error.retryAfterMs ?? 60_000) / 60_000);
      return { form: `Too many attempts. Try again in ${minutes === 1 ? 'a minute' : `${minutes} minutes`}.` };
    }
    case 'network':
    case 'timeout':
      return { form: 'The server can’t be reached. Check the network and try again.' };
    case 'forbidden_origin':
      return { form: 'The server does not take connections from this page.' };
    default:
      return { form: error.message || (mode === 'signin' ? 'Signing in failed.' : 'The account could not be created.') };
  }
}

/**
 * What can be said before the server is asked.
 * @param {string} username @param {string} password
 * @param {Entrance['mode']} mode
 * @param {import('../sdk/protocol.js').Limits} limits
 * @returns {Entrance['errors']}
 */
export function entranceProblems(username, password, mode, limits) {
  if (mode === 'signin') {
    if (username === '') return { username: 'Which name did you choose?' };
    return password === '' ? { password: 'The password is missing.' } : {};
  }
  /** @type {Entrance['errors']} */
  const errors = {};
  const { usernameMin, usernameMax, passwordMin, passwordMax } = limits;
  if (!/^[A-Za-z0-9_]*$/.test(username)) errors.username = 'a–z, 0–9 and _ only.';
  else if (username.length < usernameMin || username.length > usernameMax) errors.username = `${usernameMin} to ${usernameMax} characters.`;
  const length = [...password].length;
  if (length < passwordMin || length > passwordMax) errors.password = `${passwordMin} to ${passwordMax} characters.`;
  return errors;
}
