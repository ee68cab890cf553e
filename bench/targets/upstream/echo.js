// `node echo.js PORT`: sends back what it receives.
import { createServer } from 'node:net';

createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => socket.write(bytes));
}).listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4_096 });
