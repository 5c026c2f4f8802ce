/**
 * What went wrong, by a code of the protocol's closed table. A few codes are this side's own:
 * `network` (no answer at all), `timeout`, `bad_answer` (not what the protocol says),
 * `queue_full` (too many messages wait) and `stopped` (the client was disconnected).
 * `forbidden_origin` is found out here when a browser keeps the server's answers from this page.
 */
export class ChorusError extends Error {
  /**
   * @param {string} code
   * @param {string} message for people
   * @param {{status?: number, retryAfterMs?: number | null, cause?: unknown}} [more] status: 0 when no server answered
   */
  constructor(code, message, { status = 0, retryAfterMs = null, cause } = {}) {
    super(message, { cause });
    this.name = 'ChorusError';
    this.code = code;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** @param {unknown} cause @returns {ChorusError} */
  static from(cause) {
    if (cause instanceof ChorusError) return cause;
    return new ChorusError('network', 'The server could not be reached.', { cause });
  }
}
