/**
 * Listeners by type of event. A listener that throws is reported and harms no other:
 * the connection must not die of a mistake in somebody's `on('message')`.
 */

/** @template {object} Map */
export class Events {
  /** @type {{[K in keyof Map]?: Set<(event: Map[K]) => void>}} */
  #listeners = {};

  /**
   * @template {keyof Map} K
   * @param {K} type
   * @param {(event: Map[K]) => void} listener
   * @returns {() => void}
   */
  on(type, listener) {
    const listeners = (this.#listeners[type] ??= new Set());
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * @template {keyof Map} K
   * @param {K} type
   * @param {Map[K]} event
   */
  emit(type, event) {
    for (const listener of this.#listeners[type] ?? []) {
      try {
        listener(event);
      } catch (cause) {
        console.error(cause);
      }
    }
  }
}
