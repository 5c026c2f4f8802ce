// The predecessor's way of speaking to everybody, written from what its readme says: one process, a
// list of sockets, and each message goes to all of them as it comes. Nothing is remembered.
//
// Left out, to its advantage: checking a token against a database, counting messages per person,
// and telling everybody the whole list of people whenever one comes or goes.
import { createServer } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const sanitized = (text) => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);

const server = createServer();
const sockets = new WebSocketServer({ server });

sockets.on('connection', (socket, request) => {
  const username = new URL(request.url, 'http://localhost').searchParams.get('name');
  socket.on('error', (error) => console.error(error.message));
  socket.on('message', (data) => {
    const frame = JSON.stringify({
      type: 'message',
      username,
      message: sanitized(JSON.parse(data).message),
      timestamp: new Date().toLocaleTimeString('en-US'),
    });
    for (const other of sockets.clients) {
      if (other.readyState === WebSocket.OPEN) other.send(frame);
    }
  });
});

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(server.address().port));
