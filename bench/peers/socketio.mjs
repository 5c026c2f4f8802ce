// Socket.IO: alone, or as one of several processes that are one chat by its Redis adapter. What is
// said in a process goes to its own members and, by Redis, to the other processes. Nothing is
// remembered.
//
//   node socketio.mjs
//   REDIS_URL=redis://127.0.0.1:6379 node socketio.mjs
//
// The settings are the fastest that Socket.IO has: WebSocket from the start, no compression, nothing
// served beside it. Pings are as rare as those of the others in the benchmark.
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';

const SELDOM = 600_000;

async function overRedis(url) {
  const publisher = createClient({ url });
  const subscriber = publisher.duplicate();
  for (const client of [publisher, subscriber]) {
    client.on('error', (error) => console.error(error.message));
    await client.connect();
  }
  return createAdapter(publisher, subscriber);
}

const server = createServer();
const io = new Server(server, {
  ...(process.env.REDIS_URL && { adapter: await overRedis(process.env.REDIS_URL) }),
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  pingInterval: SELDOM,
  pingTimeout: SELDOM,
});

io.on('connection', (socket) => {
  const { name: username, room = 'lobby' } = socket.handshake.query;
  socket.join(room);
  socket.on('message', (message) => {
    io.to(room).emit('message', { username, message, timestamp: new Date().toISOString() });
  });
});

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(server.address().port));
