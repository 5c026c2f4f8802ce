/**
 * Message ids: UUID version 7 (RFC 9562), made by the client so that a message keeps its id
 * through every resend. They sort in the order they were made, which is the order in which
 * a reloaded page sends what was still waiting.
 */
/**
 * @param {() => number} wall Unix milliseconds
 * @returns {() => string}
 */
export declare function uuid7(wall: () => number): () => string;
/** What the protocol takes as an id. @param {string} id */
export declare function isMessageId(id: string): boolean;
