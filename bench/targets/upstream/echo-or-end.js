// `node echo-or-end.js PORT`: sends back what it receives, and closes after a "q", as many servers do.
import { createServer } from 'node:net';

const QUIT = 'q'.charCodeAt(0);

createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => {
    if (bytes[0] === QUIT) socket.end(bytes);
    else socket.write(bytes);
  });
}).listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4_096 });
