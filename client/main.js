/**
 * Where the page begins: whom this browser remembers goes straight into the chat, everybody else to the
 * entrance, which needs little and is there at once. The chat is loaded behind it while somebody still
 * writes their name. What both stand on is kept here: the theme, and what the server says of itself.
 */
import { isRemembered, keepTheme, keptSession, keptTheme } from './keep.js';
import { later } from './later.js';
import { placeOf, serverUrl } from './route.js';
import { Api } from './sdk/api.js';
import { systemClock } from './sdk/clock.js';
import { ChorusError, DEFAULT_LIMITS } from './sdk/protocol.js';
import { entranceErrors, entranceProblems, EntranceView, freshEntrance } from './view/entrance.js';

/** @typedef {import('./view/entrance.js').Entrance} Entrance */

const LONGEST_WAIT_MS = 30_000;

/** @type {import('./view/entrance.js').Front} */
let front = { open: false, leadsTo: placeOf(location.hash)?.room ?? null, entrance: freshEntrance(null), server: null, limits: { ...DEFAULT_LIMITS }, theme: keptTheme() };

const view = new EntranceView({ enter, setMode: (mode) => change({ entrance: { ...freshEntrance(null), mode } }), setTheme });
const api = new Api({ url: serverUrl(), fetch: globalThis.fetch.bind(globalThis), clock: systemClock });

/** Once it is loaded. @type {typeof import('./chat.js') | null} */
let chat = null;
const loadChat = later(async () => {
  const loaded = await import('./chat.js');
  loaded.begin({ inside, closed: (notice) => change({ entrance: freshEntrance(notice) }), setTheme }, front.server);
  chat = loaded;
  // For early.js: all modules are here and fit together.
  dispatchEvent(new Event('chorus:started'));
  return loaded;
});

/** @param {Partial<import('./view/entrance.js').Front>} part */
function change(part) {
  front = { ...front, ...part };
  view.render(front);
}

/** @param {boolean} inside somebody is signed in */
function inside(inside) {
  change({ open: !inside, ...(inside ? { leadsTo: null, entrance: freshEntrance(null) } : {}) });
}

/** @param {import('./state.js').Theme} theme */
function setTheme(theme) {
  keepTheme(theme);
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
  change({ theme });
  chat?.themed(theme);
}

/**
 * @param {Entrance['mode']} mode
 * @param {string} username
 * @param {string} password
 */
async function enter(mode, username, password) {
  const problems = entranceProblems(username, password, mode, front.limits);
  if (Object.keys(problems).length > 0) return failed(problems);
  change({ entrance: { ...front.entrance, busy: true, errors: {}, notice: null } });
  try {
    const { enter: signIn } = await loadChat().catch(notLoaded);
    await signIn(mode, username, password);
  } catch (cause) {
    failed(entranceErrors(ChorusError.from(cause), mode));
  }
}

/** @param {Entrance['errors']} errors */
function failed(errors) {
  change({ entrance: { ...front.entrance, busy: false, errors } });
}

/** Why the chat is not there: no server, or one that has another version of it than this page needs. @param {unknown} cause @returns {Promise<never>} */
async function notLoaded(cause) {
  await api.server();
  // To early.js, which loads the page once more.
  reportError(cause);
  throw new ChorusError('bad_answer', 'Chorus is being updated. Try again in a moment.', { cause });
}

/** What this server allows; asked again until it answers, for without it nobody gets in anyway. @param {number} waitMs */
async function askServer(waitMs) {
  try {
    const server = await api.server();
    change({ server, limits: server.limits });
    chat?.serverKnown(server);
  } catch {
    setTimeout(() => void askServer(Math.min(LONGEST_WAIT_MS, waitMs * 2)), waitMs);
  }
}

/** Nobody waits for the chat who signs in, and who has signed in meanwhile in another window is in here too. */
async function receive() {
  change({ open: true });
  // To early.js.
  dispatchEvent(new Event('chorus:entrance'));
  try {
    const { resume } = await loadChat();
    const kept = keptSession();
    if (kept && !front.entrance.busy) resume(kept.username);
  } catch (cause) {
    // It is asked for again, and then somebody wants to know.
    console.warn(`chorus: ${cause}`);
  }
}

/** Past the entrance. @param {string | undefined} username whose token is kept */
async function goIn(username) {
  try {
    const { resume, takeUp } = await loadChat();
    if (username !== undefined) resume(username);
    else if (!(await takeUp())) change({ open: true });
  } catch (cause) {
    reportError(cause);
  }
}

const kept = keptSession();
change({});
void (kept || isRemembered() ? goIn(kept?.username) : receive());
void askServer(1_000);
