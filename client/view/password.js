/**
 * Changing one's password: a dialog with the field that is wrong named in it. All other sign-ins of the
 * account end with the change; this one goes on.
 */
import { byId, fieldError, reveal, setText, show } from './dom.js';

/** @typedef {import('../state.js').State} State */
/**
 * @typedef {object} PasswordActions
 * @property {() => void} close
 * @property {(current: string, next: string) => void} changePassword
 */

export class PasswordView {
  #dialog = byId('password-dialog', HTMLDialogElement);
  #form = byId('password-form', HTMLFormElement);
  #username = byId('password-user', HTMLInputElement);
  #hint = byId('next-hint', HTMLParagraphElement);
  #submit = byId('password-submit', HTMLButtonElement);
  #inputs = { current: byId('current-password', HTMLInputElement), next: byId('next-password', HTMLInputElement) };
  #errors = {
    current: byId('current-error', HTMLParagraphElement),
    next: byId('next-error', HTMLParagraphElement),
    form: byId('password-error-form', HTMLParagraphElement),
  };
  /** @type {State['password'] | null} */
  #shown = null;

  /** @param {PasswordActions} actions */
  constructor(actions) {
    for (const input of Object.values(this.#inputs)) reveal(input);
    byId('password-cancel', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => actions.close());
    this.#dialog.addEventListener('click', (event) => event.target === this.#dialog && this.#dialog.close());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (!this.#shown?.busy) actions.changePassword(this.#inputs.current.value, this.#inputs.next.value);
    });
  }

  /** @param {State} state */
  render({ password, session, limits }) {
    if (password === this.#shown) return;
    const failed = this.#shown !== null && password.errors !== this.#shown.errors;
    this.#shown = password;
    const { open, busy, errors } = password;
    if (open && !this.#dialog.open) {
      this.#form.reset();
      this.#username.value = session?.username ?? '';
      setText(this.#hint, `${limits.passwordMin} to ${limits.passwordMax} characters. Your other devices will be signed out.`);
      this.#dialog.showModal();
      this.#inputs.current.focus();
    } else if (!open && this.#dialog.open) this.#dialog.close();
    setText(this.#submit, busy ? 'Changing the password' : 'Change password');
    this.#submit.setAttribute('aria-disabled', String(busy));
    fieldError(this.#inputs.current, null, this.#errors.current, errors.current);
    fieldError(this.#inputs.next, this.#hint, this.#errors.next, errors.next);
    show(this.#errors.form, errors.form !== undefined);
    setText(this.#errors.form, errors.form ?? '');
    if (open && failed) (errors.current ? this.#inputs.current : errors.next ? this.#inputs.next : null)?.select();
  }
}
