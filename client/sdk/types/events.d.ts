/**
 * Listeners by type of event. A listener that throws is reported and harms no other:
 * the connection must not die of a mistake in somebody's `on('message')`.
 */
/** @template {object} Map */
export declare class Events<Map extends object> {
    #private;
    /**
     * @template {keyof Map} K
     * @param {K} type
     * @param {(event: Map[K]) => void} listener
     * @returns {() => void}
     */
    on<K extends keyof Map>(type: K, listener: (event: Map[K]) => void): () => void;
    /**
     * @template {keyof Map} K
     * @param {K} type
     * @param {Map[K]} event
     */
    emit<K extends keyof Map>(type: K, event: Map[K]): void;
}
