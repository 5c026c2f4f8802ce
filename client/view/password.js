/**
 * Changing one's password: a dialog with the field that is wrong named in it. All other sign-ins of the
 * account end with the change; this one goes on.
 */
import { fieldError, make, reveal, setText, show } from './dom.js';

/** @typedef {import('../state.js').State} State */
/**
 * @typedef {object} PasswordActions
 * @property {() => void} close
 * @property {(current: string, next: string) => void} changePassword
 */

export class PasswordView {
  #fields = { current: field('current', 'Current password', 'current-password'), next: field('next', 'New password', 'new-password') };
  #username = make('input', 'unseen');
  #error = line('error', 'password-error-form');
  #cancel = make('button', 'button', 'Cancel');
  #submit = make('button', 'button primary');
  #form = make('form', '');
  #dialog = make('dialog', 'dialog', [this.#form]);
  /** @type {State['password'] | null} */
  #shown = null;

  /** @param {PasswordActions} actions */
  constructor(actions) {
    const title = make('h2', '', 'Change password');
    title.id = 'password-title';
    this.#dialog.id = 'password-dialog';
    this.#dialog.setAttribute('aria-labelledby', title.id);
    // For whatever keeps passwords: whose it is.
    Object.assign(this.#username, { type: 'text', autocomplete: 'username', tabIndex: -1, readOnly: true, ariaHidden: 'true' });
    this.#error.setAttribute('role', 'alert');
    this.#cancel.type = 'button';
    this.#form.noValidate = true;
    this.#form.append(title, this.#username, this.#fields.current.element, this.#fields.next.element, this.#error, make('div', 'buttons', [this.#cancel, this.#submit]));
    document.body.append(this.#dialog);
    for (const { input } of Object.values(this.#fields)) reveal(input);
    this.#cancel.addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => actions.close());
    this.#dialog.addEventListener('click', (event) => event.target === this.#dialog && this.#dialog.close());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (!this.#shown?.busy) actions.changePassword(this.#fields.current.input.value, this.#fields.next.input.value);
    });
  }

  /** @param {State} state */
  render({ password, session, limits }) {
    if (password === this.#shown) return;
    const { current, next } = this.#fields;
    const failed = this.#shown !== null && password.errors !== this.#shown.errors;
    this.#shown = password;
    const { open, busy, errors } = password;
    if (open && !this.#dialog.open) {
      this.#form.reset();
      this.#username.value = session?.username ?? '';
      setText(next.hint, `${limits.passwordMin} to ${limits.passwordMax} characters. Your other devices will be signed out.`);
      this.#dialog.showModal();
      current.input.focus();
    } else if (!open && this.#dialog.open) this.#dialog.close();
    // A phone has room for one word.
    setText(this.#submit, busy ? 'Changing' : 'Change');
    this.#submit.ariaLabel = `${this.#submit.textContent} password`;
    this.#submit.setAttribute('aria-disabled', String(busy));
    fieldError(current.input, null, current.error, errors.current);
    show(next.hint, errors.next === undefined);
    fieldError(next.input, next.hint, next.error, errors.next);
    show(this.#error, errors.form !== undefined);
    setText(this.#error, errors.form ?? '');
    if (open && failed) (errors.current ? current.input : errors.next ? next.input : null)?.select();
  }
}

/** @param {string} name @param {string} words @param {string} autocomplete */
function field(name, words, autocomplete) {
  const label = make('label', '', words);
  const input = make('input', '');
  const [hint, error] = [line('hint', `${name}-hint`), line('error', `${name}-error`)];
  Object.assign(input, { id: `${name}-password`, type: 'password', autocomplete, required: true });
  label.htmlFor = input.id;
  return { element: make('div', 'field', [label, input, hint, error]), input, hint, error };
}

/** One that is not shown yet. @param {string} kind @param {string} id */
function line(kind, id) {
  const element = make('p', kind);
  element.id = id;
  element.hidden = true;
  return element;
}
