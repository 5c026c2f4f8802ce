// One of several processes that are one chat by Socket.IO's Redis adapter: what is said in a process
// goes to its own members and, by Redis, to the other processes. Nothing is remembered.
//
//   REDIS_URL=redis://127.0.0.1:6379 node socketio.mjs
//
// The settings are the fastest that Socket.IO has: WebSocket from the start, no compression, nothing
// served beside it. Pings are as rare as those of the others in the benchmark.
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';

const SELDOM = 600_000;

const publisher = createClient({ url: process.env.REDIS_URL });
const subscriber = publisher.duplicate();
for (const client of [publisher, subscriber]) {
  client.on('error', (error) => console.error(error.message));
  await client.connect();
}

const server = createServer();
const io = new Server(server, {
  adapter: createAdapter(publisher, subscriber),
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  pingInterval: SELDOM,
  pingTimeout: SELDOM,
});

io.on('connection', (socket) => {
  const username = socket.handshake.query.name;
  socket.join('lobby');
  socket.on('message', (message) => {
    io.to('lobby').emit('message', { username, message, timestamp: new Date().toISOString() });
  });
});

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(server.address().port));
