/**
 * What stands on the entrance, and what it says there. Pure.
 */

/** @typedef {import('./sdk/protocol.js').ChorusError} ChorusError */
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
 * @property {Entrance} entrance
 * @property {import('./sdk/api.js').ServerInfo | null} server
 * @property {import('./sdk/protocol.js').Limits} limits
 * @property {import('./state.js').Theme} theme
 */

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
      return { password: 'This name and password don’t belong together.' };
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
 * @param {import('./sdk/protocol.js').Limits} limits
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
  if (!/^[A-Za-z0-9_]*$/.test(username)) errors.username = 'Letters, digits and _ only.';
  else if (username.length < usernameMin || username.length > usernameMax) errors.username = `${usernameMin} to ${usernameMax} characters.`;
  const length = [...password].length;
  if (length < passwordMin || length > passwordMax) errors.password = `${passwordMin} to ${passwordMax} characters.`;
  return errors;
}
