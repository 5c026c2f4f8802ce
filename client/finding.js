/**
 * Finding what is not on the page: rooms, which can also be made, people of a crowd, messages further up or down, and
 * the one that a link points to.
 */
import { ChorusError, mayTryAgain } from './sdk/protocol.js';
import { refusalLine } from './words.js';

/** The largest page that the server gives, how many of its rooms are offered, and how many people of one can be searched. */
const PAGE = 200;
const MOST = 2_000;
const MOST_PEOPLE = 5_000;

/** So much of the log is read at a time; and so often is a message asked for. */
const MESSAGES = 100;
const TRIES = 5;

export class Finding {
  #chorus;
  #dispatch;
  #state;
  #say;

  /**
   * @param {import('./sdk/chorus.js').Chorus} chorus
   * @param {(event: import('./state.js').Event) => void} dispatch
   * @param {() => import('./state.js').State} state
   * @param {(room: string) => void} go shows a room
   * @param {(text: string) => void} say
   */
  constructor(chorus, dispatch, state, go, say) {
    this.#chorus = chorus;
    this.#dispatch = dispatch;
    this.#state = state;
    this.#say = say;
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
      await this.#make(room);
      this.go(room);
    } catch (cause) {
      this.#dispatch({ type: 'jump.failed', error: refusalLine(ChorusError.from(cause)) });
    }
  }

  /** One that is shown and does not exist. @param {string} room */
  async createShown(room) {
    try {
      await this.#make(room);
      this.go(room);
    } catch (cause) {
      this.#say(refusalLine(ChorusError.from(cause)));
    }
  }

  /** @param {string} room */
  async #make(room) {
    try {
      await this.#chorus.createRoom(room);
    } catch (cause) {
      // Somebody was faster: then it is there, which is what was wanted.
      if (ChorusError.from(cause).code !== 'room_taken') throw cause;
    }
  }

  /** All the people of a room, who may be more than the live list has. @param {string} room @returns {Promise<string[]>} */
  async everybody(room) {
    /** @type {string[]} */
    const users = [];
    for (let after = ''; users.length < MOST_PEOPLE; ) {
      const page = await this.#chorus.people(room, { limit: PAGE, ...(after && { after }) });
      users.push(...page.users);
      if (page.next === null) break;
      after = page.next;
    }
    return users;
  }

  /** Reads what was said before all that the page has of it. @param {string} room */
  async older(room) {
    const { rows, older } = this.#state().rooms[room] ?? {};
    const before = rows?.[0]?.seq;
    if (before === undefined || older === 'loading') return;
    this.#dispatch({ type: 'older.asked', room });
    try {
      const { messages, hasMore } = await this.#chorus.history(room, { before, limit: MESSAGES });
      this.#dispatch({ type: 'older.loaded', room, before, messages, hasMore });
    } catch {
      this.#dispatch({ type: 'older.failed', room });
    }
  }

  /** Reads what was said after all that the page has of it, if somebody still waits for that. @param {string} room */
  async newer(room) {
    const { rows, newer } = this.#state().rooms[room] ?? {};
    const after = rows?.at(-1)?.seq;
    if (after === undefined || newer !== 'loading') return;
    try {
      const { messages } = await this.#chorus.history(room, { after, limit: MESSAGES });
      this.#dispatch({ type: 'newer.loaded', room, after, messages });
    } catch {
      this.#dispatch({ type: 'newer.failed', room });
    }
  }

  /** Reads the part of the log that a link points into, unless it is on the page. @param {string} room */
  async pursue(room) {
    const { target, rows = [], opened } = this.#state().rooms[room] ?? {};
    if (!target || !opened || rows.some(({ seq }) => seq === target.seq)) return;
    const wanted = () => this.#state().rooms[room]?.target === target;
    try {
      const word = await this.#message(room, target.seq, wanted);
      if (word) this.#say(word);
    } catch {
      if (wanted()) this.#say('This message could not be loaded.');
    }
  }

  /**
   * Shows the part of the log with a message in it.
   * @param {string} room @param {number} wantedSeq @param {() => boolean} wanted whether it still is
   * @returns {Promise<string>} what is to be said if it is not there
   */
  async #message(room, wantedSeq, wanted) {
    for (let tries = 1; wanted(); tries += 1) {
      try {
        const { messages } = await this.#chorus.history(room, { after: Math.max(0, wantedSeq - MESSAGES / 2), limit: MESSAGES });
        if (!wanted()) break;
        if (!messages.some(({ seq }) => seq === wantedSeq)) return 'This message isn’t here.';
        this.#dispatch({ type: 'room.around', room, messages });
        break;
      } catch (cause) {
        // Who has just read much may have to wait for more.
        const { code, retryAfterMs } = ChorusError.from(cause);
        if (tries === TRIES || !mayTryAgain(code)) throw cause;
        await new Promise((resolve) => setTimeout(resolve, retryAfterMs ?? 500 * 2 ** tries));
      }
    }
    return '';
  }
}
