// `node echo-or-sink.js PORT`: sends back what it receives. Another process reads a connection that begins with a "b", so
// that the small ones do not wait for it here.
import { fork } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const BULK = 'b'.charCodeAt(0);

const drain = (socket) => {
  socket.on('error', () => socket.destroy());
  socket.resume();
};

const serve = (port) => {
  const sink = fork(fileURLToPath(import.meta.url), [], { stdio: 'inherit' });
  createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (bytes) => {
      if (bytes[0] === BULK) return sink.send('bulk', socket.pause());
      socket.write(bytes);
      socket.on('data', (more) => socket.write(more));
    });
  }).listen({ port, host: '127.0.0.1', backlog: 4_096 });
};

if (process.argv[2]) serve(Number(process.argv[2]));
else {
  process.on('message', (_, socket) => drain(socket));
  process.on('disconnect', () => process.exit());
}
