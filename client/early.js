/**
 * What cannot wait for the modules, in a classic script of its own: inline ones are not allowed here.
 * First, what this browser keeps decides: the theme, so that nobody sees the wrong one flash by; and whether
 * the chat's modules are asked for at once. They are asked for together and not one behind the other.
 */
(() => {
  /** All that chat.js reaches and main.js does not; tests/client/page.test.mjs compares. */
  const CHAT = 'chat keeping sdk/chorus sdk/outbox sdk/renewal sdk/room sdk/socket state state-room text thread view/foot view/row view/sides view/thread words';

  try {
    const theme = localStorage.getItem('chorus.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset['theme'] = theme;
  } catch {
    // Without storage the system's theme it is.
  }

  /** Whoever is signed in, or may be by a cookie, goes straight into the chat. */
  function goesIn() {
    try {
      return localStorage.getItem('chorus.session') !== null || document.cookie.includes('chorus_remembered=');
    } catch {
      return false;
    }
  }

  function announce() {
    for (const name of CHAT.split(' ')) {
      const link = document.createElement('link');
      link.rel = 'modulepreload';
      link.href = `${name}.js`;
      document.head.append(link);
    }
  }

  if (goesIn()) announce();
  else addEventListener('chorus:entrance', announce, { once: true });
})();

/**
 * In the middle of a deploy a page may get some of its modules from the old client and some from the
 * new one, and then it does not run. It is loaded once more, by itself, and only once: when that does
 * not help it says so. It is here because it must run where modules don't.
 */
(() => {
  const MARK = 'chorus.reloaded';
  /** Long enough for the node that had it to go, or the one that has it to come. */
  const PAUSE_MS = 400;
  let over = false;

  /** @param {globalThis.Event} event */
  function failed(event) {
    const module = event.target instanceof HTMLScriptElement && event.target.type === 'module';
    if (over || !(module || event instanceof ErrorEvent)) return;
    over = true;
    const line = document.getElementById('broken');
    if (!marked()) setTimeout(() => location.reload(), PAUSE_MS);
    else if (line) line.hidden = false;
  }

  /** Whether it was reloaded for this already, and that it is now. Without storage there is no telling, so it is not done. */
  function marked() {
    try {
      const before = sessionStorage.getItem(MARK) !== null;
      sessionStorage.setItem(MARK, '1');
      return before;
    } catch {
      return true;
    }
  }

  // Errors of a script that could not be loaded don't bubble; on their way down they pass here.
  addEventListener('error', failed, true);
  addEventListener('chorus:started', () => {
    over = true;
    try {
      sessionStorage.removeItem(MARK);
    } catch {
      // Then there is no mark either.
    }
  });
})();
