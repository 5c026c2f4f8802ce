/**
 * Finding and making rooms: what the dialog for it asks of the server.
 */
import { ChorusError } from './sdk/protocol.js';
import { refusalLine } from './words.js';

/** The largest page that the server gives, and how many of its rooms are offered. */
const PAGE = 200;
const MOST = 2_000;

export class Finding {
  #chorus;
  #dispatch;

  /**
   * @param {import('./sdk/chorus.js').Chorus} chorus
   * @param {(event: import('./state.js').Event) => void} dispatch
   * @param {(room: string) => void} go shows a room
   */
  constructor(chorus, dispatch, go) {
    this.#chorus = chorus;
    this.#dispatch = dispatch;
    this.go = go;
  }

  async read() {
    /** @type {import('./state.js').RoomInfo[]} */
    const rooms = [];
    try {
      for (let after = ''; rooms.length < MOST; ) {
        const page = await this.#chorus.rooms({ limit: PAGE, ...(after && { after }) });
        rooms.push(...page.rooms);
        this.#dispatch({ type: 'jump.rooms', rooms: [...rooms] });
        if (page.next === null) return;
        after = page.next;
      }
    } catch {
      this.#dispatch({ type: 'jump.failed', error: 'The list of rooms could not be read. Those you are in are here.' });
    }
  }

  /** @param {string} room */
  async create(room) {
    this.#dispatch({ type: 'jump.busy' });
    try {
      await this.#chorus.createRoom(room);
    } catch (cause) {
      const error = ChorusError.from(cause);
      // Somebody was faster: then it is there, which is what was wanted.
      if (error.code !== 'room_taken') return this.#dispatch({ type: 'jump.failed', error: refusalLine(error) });
    }
    this.go(room);
  }
}
