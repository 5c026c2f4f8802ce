/**
 * What is said of a change of the password, beside the field that it is about. Pure.
 */
import { entranceErrors } from './entrance.js';

/** @typedef {import('./sdk/protocol.js').ChorusError} ChorusError */

/**
 * Why it could not be changed.
 * @param {ChorusError} error
 * @returns {import('./state.js').PasswordChange['errors']}
 */
export function passwordErrors(error) {
  if (error.code === 'invalid_credentials') return { current: 'This is not your password.' };
  if (error.code === 'invalid_password') return { next: error.message };
  const { form = error.message } = entranceErrors(error, 'signin');
  return { form };
}

/**
 * What can be said of a new password before the server is asked.
 * @param {string} current @param {string} next @param {import('./sdk/protocol.js').Limits} limits
 * @returns {import('./state.js').PasswordChange['errors']}
 */
export function passwordProblems(current, next, { passwordMin, passwordMax }) {
  if (current === '') return { current: 'The password that you have now is missing.' };
  const length = [...next].length;
  return length < passwordMin || length > passwordMax ? { next: `${passwordMin} to ${passwordMax} characters.` } : {};
}
