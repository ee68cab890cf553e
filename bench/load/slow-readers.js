// A worker that begins a scrape every second and reads each a byte at a time.
import { connect } from 'node:net';
import { serveCommands } from '../lib/ipc-worker.js';

const EVERY_MS = 1_000;
const BYTE_EVERY_MS = 10;
const MAX_READERS = 100;

const readers = new Set();
let timers = [];
let count = 0;

const begin = (port) => {
  if (readers.size >= MAX_READERS) readers.values().next().value.destroy();
  const socket = connect({ port, host: '127.0.0.1', highWaterMark: 1 });
  socket.on('error', () => {}).once('close', () => readers.delete(socket));
  socket.write('GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n');
  readers.add(socket);
  count += 1;
};

serveCommands({
  begin: ({ port }) => {
    count = 0;
    timers = [
      setInterval(() => begin(port), EVERY_MS),
      setInterval(() => {
        for (const socket of readers) socket.read(1);
      }, BYTE_EVERY_MS),
    ];
  },
  /** @returns the number of scrapes that were begun */
  end: () => {
    for (const timer of timers) clearInterval(timer);
    for (const socket of readers) socket.destroy();
    return count;
  },
});
