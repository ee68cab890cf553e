// `node fates.js PORT`: each connection has a fate of its own.
import { createServer } from 'node:net';
import { meetFate } from '../../load/fates.js';

createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {});
  meetFate(socket);
}).listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4_096 });
