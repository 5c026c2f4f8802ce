/**
 * Wires the chat: what the sdk and the reader do becomes events, events become the next state, and the
 * views draw it. Everything that has an effect is started here. It is loaded by main.js, which shows the
 * entrance until somebody is signed in; what only an action needs is loaded later still.
 */
import * as keep from './keep.js';
import { keeping } from './keeping.js';
import { later, warm } from './later.js';
import { hashOf, placeOf, serverUrl } from './route.js';
import { Chorus } from './sdk/chorus.js';
import { ChorusError } from './sdk/protocol.js';
import { currentRoom, initialState, reduce, unsentIn } from './state.js';
import { byId, show } from './view/dom.js';
import { ComposerView, StatusView, UpdatedView } from './view/foot.js';
import { AttentionView, knowsNotifications, MenuView, PeopleView, permitted } from './view/sides.js';
import { ThreadView } from './view/thread.js';
import { refusalLine } from './words.js';

/**
 * @typedef {object} Page what is around the chat
 * @property {(inside: boolean) => void} inside whether somebody is signed in, in the frame in which it is drawn
 * @property {(notice: string | null) => void} closed why they are not any more
 * @property {(theme: import('./state.js').Theme) => void} setTheme
 */

/** The room that is always there. */
const LOBBY = 'lobby';

/** The state of its entry in the browser's history. */
const LAYER = 'layer';

/** Hidden for longer than this, a page asks whether its connection still lives when it is seen again. */
const ASLEEP_MS = 30_000;

/** So many messages wait for what notifies of them to be loaded. */
const MOST_UNTOLD = 100;

/** @type {Page} */
let page = { inside: () => {}, closed: () => {}, setTheme: () => {} };
let state = initialState(keep.keptTheme(), Date.now());
let scheduled = false;
/** How far the server's clock is ahead of this machine's, in milliseconds. */
let clockAhead = 0;
/** Something lies over the room. */
let layered = false;

/** The token last shown to the server: whether a refusal is about the kept one. @type {string | null} */
let shownToken = null;

const chorus = new Chorus({
  url: serverUrl(),
  storage: keep.openStorage(),
  page: { origin: location.origin, locks: navigator.locks },
  getToken: () => (shownToken = keep.keptSession()?.token ?? null),
  onSession: (session) => {
    keep.keepSession(session);
    if (!state.session) open(session.username);
  },
});

const current = () => state;
const keeper = keeping(current, dispatch, follow, LOBBY);

const threadView = new ThreadView({
  loadOlder,
  loadNewer,
  readerMoved,
  readerSaw: (seq) => dispatch({ type: 'room.read', room: state.current, seq }),
  isLatest: (room) => currentRoom(state) === room,
  toNewest: () => {
    toNewest();
    if (hovers()) composer.focus();
  },
  arrived,
  createRoom: (room) => part('finding').then((finding) => finding.createShown(room), (cause) => say(refusalLine(ChorusError.from(cause)))),
  toLobby: () => go({ room: LOBBY, seq: null }),
  unsent: (way, id) => unsent((its) => its.does(way, id)),
  copyLink: (button) => part('actions').then(({ copy }) => copy(location.href, button), unable),
});
const composer = new ComposerView({
  send,
  recall: () => unsent((its) => its.recall()),
  typing: () => chorus.typing(state.current),
  written: (room, text) => dispatch({ type: 'draft', room, text }),
  toEnd: () => currentRoom(state)?.atEnd && threadView.toEnd(),
  helpWithNames: () => part('names'),
});
const people = new PeopleView({ search: () => part('search') });
/** @type {{render(state: import('./state.js').State): void}[]} */
const views = [
  new MenuView({
    openDrawer: (drawer) => dispatch({ type: 'drawer', drawer }),
    askToLeave,
    leave,
    stay: () => dispatch({ type: 'leaving', leaving: false }),
    setTheme: (theme) => page.setTheme(theme),
    go: (room) => go({ room, seq: null }),
    askToPart,
    leaveRoom,
    remain: () => dispatch({ type: 'parting', parting: false }),
    jump: () => void openPart('jump'),
    changePassword: () => void openPart('password'),
  }),
  people,
  new StatusView({ reconnectNow: () => chorus.reconnectNow(), changed: (line) => aloud((spoken) => spoken.status(line)) }),
  composer,
  threadView,
  new AttentionView({ notify: (wanted) => void chooseNotify(wanted), possible: knowsNotifications() }),
  new UpdatedView({ reload: () => location.reload(), again: () => state.missing && void openPart(state.missing.part), undo: () => state.told?.undo && go({ room: state.told.undo, seq: null }) }),
];

/** @typedef {ReturnType<typeof import('./parts.js').partsOf>} Parts */
const parts = later(async () =>
  (await import('./parts.js')).partsOf({
    chorus,
    current,
    dispatch,
    add,
    say,
    go: (room) => go({ room, seq: null }),
    toNewest,
    home: () => composer.focus(),
    found: () => people.render(state),
    keysCame: (its) => (keys = its),
    notifierCame,
    notified,
    tell,
    unsent,
    discard,
    send,
    // What is being written is not lost for it.
    put: (text) => {
      composer.put([text, composer.text].filter(Boolean).join('\n'));
      composer.focus();
    },
  }),
);
/** @type {import('./notifier.js').Notifier | null} */
let notifier = null;
/** @type {import('./view/keys.js').Keys | null} */
let keys = null;
/** What it has not heard yet. @type {import('./notifier.js').Told[]} */
const untold = [];
let warmed = false;
/** The reader came into another room, and goes on where one writes. */
let moved = false;
const chat = byId('chat', HTMLDivElement);
const jump = byId('jump', HTMLDialogElement);

/** @param {import('./state.js').Event} event */
function dispatch(event) {
  const { rooms, drafts } = state;
  state = reduce(state, event);
  if (state.rooms !== rooms || state.drafts !== drafts) keeper.soon();
  if (scheduled) return;
  scheduled = true;
  // A hidden page draws no frames, but its list must not fall behind without bound.
  if (document.hidden) setTimeout(render, 200);
  else requestAnimationFrame(render);
}

function render() {
  scheduled = false;
  const inside = state.session !== null;
  const appeared = inside && chat.hidden;
  if (inside === chat.hidden) page.inside(inside);
  show(chat, inside);
  const focused = document.activeElement;
  for (const view of views) view.render(state);
  layer();
  notifier?.render(state.notify, state.session?.username ?? '');
  if (inside && (appeared || moved || (focused && keys?.lost(focused))) && hovers()) composer.focus();
  moved = false;
}

/** To a screen reader. @param {string} words */
function tell(words) {
  aloud((spoken) => spoken.tell(words));
}

/** @param {(spoken: import('./view/spoken.js').Spoken) => void} say */
function aloud(say) {
  // What could not be loaded yet is asked for again by the next word.
  part('spoken').then(say, () => {});
}

/** On a touch screen the focus would throw up the keyboard before anything was read. */
function hovers() {
  return matchMedia('(hover: hover)').matches;
}

/** What lies over the room has an entry in the browser's history, so that the way back closes it first. */
function layer() {
  const open = state.drawer !== 'none' || state.jump.open || state.password.open;
  if (open === layered) return;
  layered = open;
  if (open) history.pushState(LAYER, '');
  else if (isLayer()) history.back();
}

function isLayer() {
  return history.state === LAYER;
}

/** A view that came later. @param {{render(state: import('./state.js').State): void}} view */
function add(view) {
  views.push(view);
  view.render(state);
}

/** @param {string} username */
function open(username) {
  keep.forgetOthers(username);
  dispatch({ type: 'session.opened', username, now: now(), drafts: keeper.draftsOf(username) });
  const { rooms, current } = keep.keptPlaces(username);
  for (const room of [LOBBY, ...rooms]) follow(room);
  for (const { room, id, message, reason, at } of keep.keptRefused(username)) {
    follow(room);
    dispatch({ type: 'waiting.refused', room, id, message, reason, at });
  }
  const place = placeOf(location.hash) ?? { room: current || LOBBY, seq: null };
  history.replaceState(null, '', hashOf(place));
  go(place);
}

/** The reader is in this room from now on, whether it is shown or not. @param {string} room */
function follow(room) {
  if (!Object.hasOwn(state.rooms, room)) {
    const read = keep.keptRead(state.session?.username ?? '').get(room) ?? null;
    dispatch({ type: 'room.opened', room, read });
  }
  chorus.join(room);
}

/** Shows a room, or a message in it. @param {import('./route.js').Place} place */
function go({ room, seq }) {
  follow(room);
  if (room !== state.current && !chat.hidden) {
    moved = true;
    tell(room);
  }
  dispatch({ type: 'entered', room });
  // What lies over the room has gone, and so has its entry.
  if (location.hash !== hashOf({ room, seq })) history[isLayer() ? 'replaceState' : 'pushState'](null, '', hashOf({ room, seq }));
  keeper.places();
  if (seq === null) return;
  dispatch({ type: 'room.pointed', room, seq, now: now() });
  pursue(room);
}

/** Where a link points into the log is read, unless it is on the page. @param {string} room */
function pursue(room) {
  if (state.rooms[room]?.target) part('finding').then((finding) => finding.pursue(room), () => say('This message could not be loaded.'));
}

/** By the server's clock, as soon as it is known: this machine's may be wrong by days. */
function now() {
  return Date.now() + clockAhead;
}

/** A quiet word about what was done. @param {string} text @param {string | null} undo the room to go back to */
function say(text, undo = null) {
  dispatch({ type: 'told', text, undo, now: now() });
}

/** The message that a link points to is in sight now: the keys go on from there, or it is read out. @param {HTMLElement} row */
function arrived(row) {
  // After what else the frame does with the focus; but nobody who is writing is interrupted. Who opened an address touched nothing yet.
  if (keys?.used !== false && hovers() && composer.text === '') queueMicrotask(() => row.focus({ preventScroll: true }));
  else tell(row.querySelector('.text')?.textContent ?? '');
}

/** @param {boolean} atEnd */
function readerMoved(atEnd) {
  dispatch({ type: 'room.reader', room: state.current, atEnd });
}

/** From wherever one was, also for the address. */
function toNewest() {
  readerMoved(true);
  threadView.toEnd();
  history.replaceState(null, '', hashOf({ room: state.current, seq: null }));
}

function askToPart() {
  if (unsentIn(currentRoom(state)) > 0) dispatch({ type: 'parting', parting: true });
  else leaveRoom();
}

/** Leaves the room that is shown. What waits there goes with it; a draft is kept. */
function leaveRoom() {
  const room = state.current;
  for (const { id } of currentRoom(state)?.waiting ?? []) discard(id);
  keeper.read();
  chorus.leave(room);
  // The way back in the browser does not lead in again.
  history.replaceState(null, '', hashOf({ room: LOBBY, seq: null }));
  go({ room: LOBBY, seq: null });
  dispatch({ type: 'left', room });
  keeper.places();
  say(`You left ${room}.`, room);
}

/**
 * Opens a dialog, once it is loaded. What can't be loaded is said in the line above the composer.
 * @param {import('./state.js').Part} name
 */
async function openPart(name) {
  const username = state.session?.username;
  const failed = state.missing?.part === name;
  // At once: what is typed behind Ctrl+K is for its field, loaded or not.
  const early = name === 'jump' && state.drawer === 'none' && !jump.open;
  if (early) {
    byId('jump-query', HTMLInputElement).value = '';
    jump.showModal();
  }
  try {
    await part(name);
  } catch (cause) {
    console.warn(`chorus: ${name}: ${cause}`);
    if (early) jump.close();
    // The server is there and still it does not come: what it has belongs to another version of the page.
    return dispatch({ type: 'missing', missing: { part: name, reload: failed && state.link.state === 'connected' } });
  }
  if (failed) dispatch({ type: 'missing', missing: null });
  // Somebody else by now, or it was closed while it was loaded.
  if (early && !jump.open) return;
  if (username === undefined || username !== state.session?.username) return;
  if (state[name].open) return;
  dispatch({ type: name, open: true });
}

/**
 * What is loaded when an action needs it.
 * @template {keyof Parts} P
 * @param {P} name
 * @returns {Promise<Awaited<ReturnType<Parts[P]>>>}
 */
async function part(name) {
  return /** @type {Awaited<ReturnType<Parts[P]>>} */ (await (await parts())[name]());
}

/** It can be asked for again. @param {unknown} cause */
function unable(cause) {
  console.warn(`chorus: ${cause}`);
}

/** @param {string | null} notice */
function close(notice) {
  chorus.disconnect();
  composer.clear();
  notifier?.render('off', '');
  untold.length = 0;
  keep.clearTold(null);
  page.closed(notice);
  dispatch({ type: 'session.closed' });
}

function askToLeave() {
  if (Object.values(state.rooms).some(unsentIn) || Object.keys(state.drafts).length > 0) dispatch({ type: 'leaving', leaving: true });
  else void leave();
}

/** Signing out leaves nothing on this machine of what the person wrote; their rooms wait for them. */
async function leave() {
  const username = state.session?.username ?? '';
  for (const room of Object.values(state.rooms)) for (const row of room.waiting) discard(row.id);
  const told = chorus.signOut();
  keeper.read();
  keep.forgetSession();
  close(null);
  keep.forgetDrafts(username);
  try {
    await told;
  } catch (cause) {
    if (ChorusError.from(cause).status === 401 || state.session) return;
    page.closed('Signed out here. The server could not be told; there the sign-in ends by itself.');
  }
}

/** @param {string} text */
function send(text) {
  dispatch({ type: 'room.reader', room: state.current, atEnd: true });
  // What becomes of it arrives as events.
  chorus.send(state.current, text).catch(() => {});
}

/** @param {(its: import('./unsent.js').Unsent) => void} act */
function unsent(act) {
  part('unsent').then(act, unable);
}

/** @param {string} id */
function discard(id) {
  chorus.discard(id);
  keep.forgetRefused(state.session?.username ?? '', id);
  const room = Object.values(state.rooms).find(({ waiting }) => waiting.some((row) => row.id === id));
  if (room) dispatch({ type: 'waiting.removed', room: room.name, id });
}

function loadOlder() {
  const room = state.current;
  part('finding').then((finding) => finding.older(room), () => dispatch({ type: 'older.failed', room }));
}

function loadNewer() {
  const room = state.current;
  dispatch({ type: 'newer.asked', room });
  // It may have been at hand.
  if (currentRoom(state)?.newer === 'loading') part('finding').then((finding) => finding.newer(room), () => dispatch({ type: 'newer.failed', room }));
}

/** @param {import('./state.js').Notify} wanted */
async function chooseNotify(wanted) {
  try {
    await (await part('notifier'))(wanted);
  } catch (cause) {
    unable(cause);
    keep.keepNotify('off');
    dispatch({ type: 'notify', notify: 'off', trouble: 'missing' });
  }
}

/** It is asked for again with each connection. */
function wantNotifier() {
  if (!notifier) part('notifier').catch(unable);
}

/** @param {import('./notifier.js').Notifier} made */
function notifierCame(made) {
  made.render(state.notify, state.session?.username ?? '');
  for (const told of untold.splice(0)) made.heard(told);
  notifier = made;
}

/** A message of the log, however it came. @param {import('./notifier.js').Told} told */
function heard(told) {
  if (notifier) notifier.heard(told);
  else if (state.notify !== 'off' && untold.push(told) > MOST_UNTOLD) untold.shift();
}

/** Somebody clicked on what was said there. @param {string} room */
function notified(room) {
  go({ room, seq: null });
  composer.focus();
}

chorus.on('status', (status) => {
  dispatch({ type: 'link', status, now: now() });
  if (status.state !== 'signed_out') return;
  const kept = keep.keptSession();
  // The token that was refused is an old one: another tab has signed in since.
  if (kept && kept.token !== shownToken) return restart(kept.username);
  keep.forgetSession();
  keeper.now();
  // Its time was not over.
  const elsewhere = kept && Date.parse(kept.expiresAt) > now() ? ' It was ended elsewhere, as by a new password.' : '';
  close(`Your sign-in has ended.${elsewhere} Sign in again to go on.`);
});
chorus.on('welcome', ({ username, build, limits }) => {
  dispatch({ type: 'welcomed', username, build, limits });
  if (state.notify !== 'off') wantNotifier();
  if (!warmed) void warm([async () => Promise.all(Object.values(await parts()).map((load) => load()))]);
  warmed = true;
});
chorus.on('history', (history) => {
  const { room, messages, resumed, reason } = history;
  dispatch({ type: 'room.history', room, history, now: now() });
  if (history.first) keeper.places();
  if (history.last) pursue(room);
  // It starts anew: what was told of it counts no more.
  if (reason === 'log_changed') keep.clearTold(room);
  if (resumed) for (const message of messages) heard({ room, ...message });
});
chorus.on('people', (people) => dispatch({ type: 'room.people', room: people.room, people, now: now() }));
chorus.on('typing', ({ room, username }) => dispatch({ type: 'room.typing', room, username, now: now() }));
chorus.on('announcement', ({ message }) => dispatch({ type: 'room.announcement', room: state.current, text: message, now: now() }));
chorus.on('closed', ({ room, error }) => {
  const missing = error.code === 'room_not_found';
  dispatch({ type: 'room.closed', room, reason: error.message || error.code, missing });
  if (missing && room === state.current) tell('There is no room of this name.');
  keeper.places();
});
chorus.on('message', ({ room, ...message }) => {
  dispatch({ type: 'room.message', room, message });
  const { current, session } = state;
  if (session && message.username !== session.username) aloud((spoken) => spoken.say({ room, ...message }, current, session.username));
  heard({ room, ...message });
});
chorus.on('waiting', ({ room, id, message, at }) => {
  dispatch({ type: 'waiting.added', room, id, message, at });
  if (state.link.state !== 'connected') aloud((spoken) => spoken.waits());
});
chorus.on('sent', ({ room, id, seq }) => dispatch({ type: 'waiting.sent', room, id, seq }));
chorus.on('refused', ({ room, id, message, error }) => {
  const refused = { room, id, message, reason: refusalLine(error), at: Date.now() };
  keep.keepRefused(state.session?.username ?? '', refused);
  dispatch({ type: 'waiting.refused', ...refused });
  aloud((spoken) => spoken.alarm(`Not sent: ${message}. ${refused.reason}`));
});
chorus.on('paced', ({ nextInMs }) => dispatch({ type: 'paced', nextInMs, now: now() }));
chorus.on('clock', ({ aheadMs }) => {
  clockAhead = aheadMs;
  dispatch({ type: 'tick', now: now() });
});
chorus.on('error', (error) => console.warn(`chorus: ${error.code}: ${error.message}`));

/** @param {string} username */
function restart(username) {
  keeper.now();
  close(null);
  open(username);
  chorus.connect(username);
}

keep.onSessionElsewhere(() => {
  const kept = keep.keptSession();
  if (!kept && state.session) return close('You signed out in another window.');
  // A new token of the same person is found when the next one is needed.
  if (kept && kept.username !== state.session?.username) restart(kept.username);
});

keep.onNotifyElsewhere(notifyAsKept);
function notifyAsKept() {
  const notify = permitted(keep.keptNotify());
  dispatch({ type: 'notify', notify, trouble: null });
  if (notify !== 'off') wantNotifier();
}

if (!navigator.onLine) chorus.offline();
addEventListener('online', () => chorus.online());
addEventListener('offline', () => chorus.offline());
let hiddenAt = 0;
document.addEventListener('visibilitychange', () => {
  dispatch({ type: 'looking', looking: !document.hidden });
  // The frame that was asked for while the page was visible does not come any more.
  if (document.hidden) setTimeout(render, 0);
  if (document.hidden) hiddenAt = Date.now();
  else if (Date.now() - hiddenAt > ASLEEP_MS && navigator.onLine) chorus.online();
});

// Time passes for countdowns, for who is typing, and at midnight; otherwise nothing is drawn.
setInterval(() => {
  const { link } = state;
  const time = now();
  const runs = link.retryAt !== null || link.back !== null || state.told !== null || state.pacedUntil > state.now || Object.keys(currentRoom(state)?.typing ?? {}).length > 0;
  if (runs || new Date(time).getMinutes() !== new Date(state.now).getMinutes()) dispatch({ type: 'tick', now: time });
}, 1_000);

// What goes from row to row is wanted by the next key at the latest; where it can't be had, Tab and the pointer do.
addEventListener('keydown', () => void (keys ?? part('keys').catch(() => {})), true);

// Whoever comes to a message or to a name may want to do something with it. Nobody asked yet.
for (const type of ['focusin', 'pointerover']) chat.addEventListener(type, ({ target }) => target instanceof Element && target.closest('#thread, #people') && void part('actions').catch(() => {}));

document.addEventListener('keydown', (event) => {
  const { key, target } = event;
  const control = event.ctrlKey || event.metaKey;
  if (!state.session || event.altKey) return;
  if (control && !event.shiftKey && key.toLowerCase() === 'k') void openPart('jump');
  // Whoever is not writing anywhere begins to write.
  else if (!control && key === '/' && !(target instanceof Element && target.closest('input, textarea, select, dialog'))) composer.focus();
  else return;
  event.preventDefault();
});

addEventListener('popstate', () => {
  if (!layered || isLayer()) return;
  if (state.jump.open) dispatch({ type: 'jump', open: false });
  else if (state.password.open) dispatch({ type: 'password', open: false });
  else dispatch({ type: 'drawer', drawer: 'none' });
});

// A link in the page, or the way back: the address says where to.
addEventListener('hashchange', () => {
  const place = placeOf(location.hash);
  if (place && state.session) go(place);
});

/** The page that it is a part of, and what that knows of the server. @param {Page} around @param {import('./sdk/api.js').ServerInfo | null} server */
export function begin(around, server) {
  page = around;
  if (server) serverKnown(server);
  notifyAsKept();
}

/** @param {import('./sdk/api.js').ServerInfo} server */
export function serverKnown(server) {
  dispatch({ type: 'server.known', server });
}

/** @param {import('./state.js').Theme} theme */
export function themed(theme) {
  dispatch({ type: 'theme', theme });
}

/**
 * Signs in, with a new account or an old one; rejects with a `ChorusError`.
 * @param {import('./view/entrance.js').Entrance['mode']} mode @param {string} username @param {string} password
 */
export async function enter(mode, username, password) {
  if (mode === 'register') await chorus.register(username, password);
  await chorus.signIn(username, password, { remember: true });
}

/** Whose token is kept goes on. When it has expired, the sdk takes the sign-in up by the cookie. @param {string} username */
export function resume(username) {
  if (state.session) return;
  open(username);
  chorus.connect(username);
}

/** Whom this browser remembers comes in past the entrance. @returns {Promise<boolean>} whether somebody did */
export async function takeUp() {
  try {
    if (!(await chorus.takeUp()) && !keep.keptSession()) keep.forgetSession();
  } catch (cause) {
    console.warn(`chorus: ${ChorusError.from(cause).code}: nobody could be taken up`);
  }
  return state.session !== null;
}
