/**
 * What went wrong, by a code of the protocol's closed table. A few codes are this side's own:
 * `network` (no answer at all), `timeout`, `bad_answer` (not what the protocol says),
 * `queue_full` (too many messages wait) and `stopped` (the client was disconnected).
 * `forbidden_origin` is found out here when a browser keeps the server's answers from this page.
 */
export declare class ChorusError extends Error {
    code: string;
    status: number;
    retryAfterMs: number | null;
    /**
     * @param {string} code
     * @param {string} message for people
     * @param {{status?: number, retryAfterMs?: number | null, cause?: unknown}} [more] status: 0 when no server answered
     */
    constructor(code: string, message: string, { status, retryAfterMs, cause }?: {
        status?: number;
        retryAfterMs?: number | null;
        cause?: unknown;
    });
    /** @param {unknown} cause @returns {ChorusError} */
    static from(cause: unknown): ChorusError;
}
