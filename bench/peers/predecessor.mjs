// The predecessor's way of speaking to everybody, written from what its readme says: express and ws,
// one process, a list of sockets, and each message goes to all of them as it comes. Nothing is
// remembered.
//
// Left out, to its advantage: checking a token against a database, counting messages per person,
// and telling everybody the whole list of people whenever one comes or goes. It knew one room only;
// here those of another room (`?room=`) are in a list of their own.
import { createServer } from 'node:http';
import express from 'express';
import { WebSocket, WebSocketServer } from 'ws';

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const sanitized = (text) => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);

const app = express();
app.get('/health', (_, response) => response.json({ status: 'ok' }));
const server = createServer(app);
const sockets = new WebSocketServer({ server });
const rooms = new Map();

const room = (name) => {
  if (!rooms.has(name)) rooms.set(name, new Set());
  return rooms.get(name);
};

sockets.on('connection', (socket, request) => {
  const asked = new URL(request.url, 'http://localhost').searchParams;
  const username = asked.get('name');
  const members = room(asked.get('room'));
  members.add(socket);
  socket.on('close', () => members.delete(socket));
  socket.on('error', (error) => console.error(error.message));
  socket.on('message', (data) => {
    const frame = JSON.stringify({
      type: 'message',
      username,
      message: sanitized(JSON.parse(data).message),
      timestamp: new Date().toLocaleTimeString('en-US'),
    });
    for (const other of members) {
      if (other.readyState === WebSocket.OPEN) other.send(frame);
    }
  });
});

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(server.address().port));
