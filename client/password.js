/**
 * Changing one's password, and what is said of it beside the field that it is about.
 */
import { ChorusError } from './sdk/protocol.js';
import { entranceErrors } from './view/entrance.js';

/**
 * @param {import('./sdk/chorus.js').Chorus} chorus
 * @param {(event: import('./state.js').Event) => void} dispatch
 * @param {() => import('./sdk/protocol.js').Limits} limits
 * @param {(text: string) => void} say
 */
export function changing(chorus, dispatch, limits, say) {
  return async (/** @type {string} */ current, /** @type {string} */ next) => {
    const problems = passwordProblems(current, next, limits());
    if (Object.keys(problems).length > 0) return dispatch({ type: 'password.failed', errors: problems });
    dispatch({ type: 'password.busy' });
    try {
      await chorus.changePassword(current, next);
      dispatch({ type: 'password.changed' });
      say('Your password is changed.');
    } catch (cause) {
      dispatch({ type: 'password.failed', errors: passwordErrors(ChorusError.from(cause)) });
    }
  };
}

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
