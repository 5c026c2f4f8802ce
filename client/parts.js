/**
 * What the chat can do without at first: each part is loaded when an action needs it, with its style, and put
 * in its place. This file itself is loaded in the same way; and all of it once the page has had time.
 */
import { later } from './later.js';
import { make } from './view/dom.js';

/**
 * @typedef {object} Around what the parts stand in
 * @property {import('./sdk/chorus.js').Chorus} chorus
 * @property {() => import('./state.js').State} current
 * @property {(event: import('./state.js').Event) => void} dispatch
 * @property {(view: {render(state: import('./state.js').State): void}) => void} add a view that came later
 * @property {(text: string, undo?: string | null) => void} say
 * @property {(room: string) => void} go
 * @property {() => void} toNewest
 * @property {() => void} home the focus goes to where one writes
 * @property {() => void} found somebody was looked for among many people
 * @property {(keys: import('./view/keys.js').Keys) => void} keysCame
 * @property {(notifier: import('./notifier.js').Notifier) => void} notifierCame
 * @property {(room: string) => void} notified somebody clicked on what was said there
 * @property {(words: string) => void} tell to a screen reader
 * @property {(act: (its: import('./unsent.js').Unsent) => void) => void} unsent does something with own messages that are not in the log
 * @property {(id: string) => void} discard
 * @property {(text: string) => void} send
 * @property {(text: string) => void} put where one writes
 */

/** @param {Around} around */
export function partsOf({ chorus, current, dispatch, add, say, go, ...around }) {
  const styles = later(() => style('styles/later.css'));
  const finding = later(async () => new (await import('./finding.js')).Finding(chorus, dispatch, current, go, say));
  const actions = later(async () => {
    const [actions] = await Promise.all([import('./view/actions.js'), styles()]);
    actions.begin({ current, closeDrawer: () => dispatch({ type: 'drawer', drawer: 'none' }), unsent: (way, id) => around.unsent((its) => its.does(way, id)) });
    add(actions);
    return actions;
  });
  const unsent = later(async () => {
    const [{ Unsent }, { ask }] = await Promise.all([import('./unsent.js'), actions()]);
    const { discard, send, put } = around;
    return new Unsent({ chorus, current, discard, send, put, ask });
  });
  return {
    finding,
    actions,
    unsent,
    jump: later(async () => {
      const [{ JumpView }, its] = await Promise.all([import('./view/jump.js'), finding(), styles()]);
      add(new JumpView({ opened: () => its.read(), close: () => current().jump.open && dispatch({ type: 'jump', open: false }), go: its.go, create: (room) => its.create(room) }));
    }),
    password: later(async () => {
      const [{ PasswordView }, { changing }] = await Promise.all([import('./view/password.js'), import('./password.js'), styles()]);
      const changePassword = changing(chorus, dispatch, () => current().limits, say);
      add(new PasswordView({ close: () => current().password.open && dispatch({ type: 'password', open: false }), changePassword }));
    }),
    search: later(async () => {
      const [{ PeopleSearch }] = await Promise.all([import('./view/people-search.js'), styles()]);
      return new PeopleSearch(async (room) => (await finding()).everybody(room), around.found);
    }),
    names: later(async () => (await Promise.all([import('./view/mention-picker.js'), styles()]))[0].MentionPicker),
    spoken: later(async () => new (await import('./view/spoken.js')).Spoken()),
    keys: later(async () => {
      // Whoever writes may want to take it back, with the network gone.
      const [{ Keys }] = await Promise.all([import('./view/keys.js'), styles(), unsent()]);
      const keys = new Keys({ home: around.home, toNewest: around.toNewest, go });
      around.keysCame(keys);
      add(keys);
    }),
    notifier: later(async () => {
      const { choosing, Notifier } = await import('./notifier.js');
      const { choose, set } = choosing(current, dispatch, around.tell);
      around.notifierCame(new Notifier({ open: around.notified, unable: () => set('off', 'unable') }));
      return choose;
    }),
    /** By it a browser offers to keep the page as an app. */
    app: later(async () => document.head.append(Object.assign(make('link', ''), { rel: 'manifest', href: 'manifest.webmanifest' }))),
  };
}

/** The style of what is loaded later, once it is there. @param {string} href @returns {Promise<void>} */
function style(href) {
  return new Promise((resolve, reject) => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = href;
    link.onload = () => resolve();
    link.onerror = () => {
      link.remove();
      reject(new Error(`${href} could not be loaded.`));
    };
    document.head.append(link);
  });
}
