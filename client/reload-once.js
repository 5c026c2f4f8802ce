/**
 * In the middle of a deploy a page may get some of its modules from the old client and some from the
 * new one, and then it does not run. It is loaded once more, by itself, and only once: when that does
 * not help it says so. A classic script in a file of its own, because it must run where modules don't.
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
