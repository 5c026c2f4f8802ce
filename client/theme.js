/**
 * Runs before the first paint, so that nobody sees the wrong theme flash by. A classic script in a
 * file of its own: modules come too late, and inline scripts are not allowed here.
 */
(() => {
  try {
    const theme = localStorage.getItem('chorus.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset['theme'] = theme;
  } catch {
    // Without storage the system's theme it is.
  }
})();
