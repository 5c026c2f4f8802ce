/**
 * What the page can do without at first: it is loaded when somebody asks for it, or once the page had time,
 * so that it is at hand when the network is not.
 */

/** Nobody waits longer than this for a load. */
const LONGEST_MS = 20_000;

/** The first pause before what nobody asked for is loaded; each further one is twice as long. */
const PAUSE_MS = 3_000;
const TRIES = 8;

/**
 * Loads once, however often it is asked for. A load that failed is forgotten: asked again, it tries again. One
 * that took too long goes on, and is waited for again.
 * @template T
 * @param {() => Promise<T>} load
 * @returns {() => Promise<T>}
 */
export function later(load) {
  /** @type {Promise<T> | null} */
  let loading = null;
  return () => {
    loading ??= load().catch((cause) => {
      loading = null;
      throw cause;
    });
    return inTime(loading);
  };
}

/** Loads all of these when the page is idle. What fails is tried again, ever more rarely. @param {(() => Promise<unknown>)[]} loads */
export async function warm(loads) {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    await idle(PAUSE_MS * 2 ** attempt);
    const ends = await Promise.allSettled(loads.map((load) => load()));
    if (ends.every(({ status }) => status === 'fulfilled')) return;
  }
}

/** @template T @param {Promise<T>} loading @returns {Promise<T>} */
function inTime(loading) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('It took too long to load.')), LONGEST_MS);
    loading.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** @param {number} ms at least @returns {Promise<void>} */
function idle(ms) {
  return new Promise((resolve) => {
    // Safari has no such callback.
    setTimeout(() => ('requestIdleCallback' in window ? window.requestIdleCallback(() => resolve(), { timeout: ms }) : resolve()), ms);
  });
}
