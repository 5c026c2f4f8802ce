/**
 * Message ids: UUID version 7 (RFC 9562), made by the client so that a message keeps its id
 * through every resend. They sort in the order they were made, which is the order in which
 * a reloaded page sends what was still waiting.
 */

/**
 * @param {() => number} wall Unix milliseconds
 * @returns {() => string}
 */
export function uuid7(wall) {
  let last = 0;
  let counter = 0;
  return () => {
    const now = wall();
    if (now > last) {
      last = now;
      counter = 0;
    } else {
      // The same millisecond, or a clock set back: 12 bits count on, then the time itself moves.
      counter += 1;
      if (counter > 0xfff) {
        last += 1;
        counter = 0;
      }
    }
    const random = crypto.getRandomValues(new Uint8Array(8));
    random[0] = ((random[0] ?? 0) & 0x3f) | 0x80;
    const time = last.toString(16).padStart(12, '0');
    const tail = Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
    const count = counter.toString(16).padStart(3, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-${tail.slice(0, 4)}-${tail.slice(4)}`;
  };
}

/** What the protocol takes as an id. @param {string} id */
export function isMessageId(id) {
  return /^[A-Za-z0-9_-]{1,64}$/.test(id);
}
