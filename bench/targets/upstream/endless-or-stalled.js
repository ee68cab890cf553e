// `node endless-or-stalled.js PORT`: answers an "a" endlessly, and reads nothing after any other first byte.
import { createServer } from 'node:net';
import { writeEndlessly } from '../../load/endless.js';

const ANSWER = 'a'.charCodeAt(0);

createServer({ highWaterMark: 1, noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', ([first]) => {
    socket.pause();
    if (first === ANSWER) writeEndlessly(socket);
  });
}).listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4_096 });
