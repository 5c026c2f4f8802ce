// People who write over sockets, as fast as they are told to. Needs a global WebSocket: Node before 22
// wants --experimental-websocket.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Program } from '../../tests/browser/house.mjs';

const WORDS = 'the log keeps what was said and nobody has to ask twice because every number follows the one before it'.split(' ');

/** Lines as people write them: mostly short, some long, a few with a link, code or a line break. */
export function sentence(number) {
  const length = 3 + ((number * 7) % 12) + (number % 11 === 0 ? 40 : 0);
  const words = Array.from({ length }, (_, index) => WORDS[(number * 5 + index * 3) % WORDS.length]).join(' ');
  if (number % 13 === 0) return `${words} https://chat.example.org/page/${number}`;
  if (number % 17 === 0) return `${words}\n\`cargo run --release\`\n${number}`;
  return `${words} ${number}`;
}

export class Feeder {
  #sockets = [];

  static async with(server, people) {
    const feeder = new Feeder();
    for (let number = 1; number <= people; number += 1) {
      const person = await Program.signIn(server, `writer_${number}`);
      const { ticket } = await person.call('/ws-ticket', {});
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}/ws?ticket=${ticket}`, 'chorus.v1');
      await once(socket, 'open');
      socket.send(JSON.stringify({ type: 'join', room: 'lobby' }));
      await once(socket, 'message');
      feeder.#sockets.push(socket);
    }
    return feeder;
  }

  /** Says `count` lines, `perSecond` of them, evenly. Answers how fast it really was. */
  async say(count, perSecond) {
    const began = performance.now();
    for (let said = 0; said < count; ) {
      const due = Math.min(count, Math.floor(((performance.now() - began) / 1000) * perSecond) + 1);
      for (; said < due; said += 1) {
        // A few lines each in turn, so that there are groups.
        const socket = this.#sockets[Math.floor(said / 3) % this.#sockets.length];
        socket.send(JSON.stringify({ type: 'message', room: 'lobby', id: `line-${Math.random().toString(36).slice(2)}-${said}`, message: sentence(said) }));
      }
      await sleep(4);
    }
    return count / ((performance.now() - began) / 1000);
  }

  close() {
    for (const socket of this.#sockets) socket.close();
  }
}
