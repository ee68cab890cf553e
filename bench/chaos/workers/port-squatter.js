// A worker that takes a port as soon as it is free, and keeps it until the command `leave`.
import { createServer } from 'node:net';
import { serveCommands } from '../../lib/ipc-worker.js';

const TIMEOUT_MS = 5_000;
/** Shorter than the start of any process. */
const RETRY_MS = 1;

let held;

const listen = (port) =>
  new Promise((done) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => done(undefined)).listen({ port, host: '127.0.0.1' }, () => done(server));
  });

serveCommands({
  take: async ({ port }) => {
    for (const giveUpAt = Date.now() + TIMEOUT_MS; !held && Date.now() < giveUpAt; ) {
      held = await listen(port);
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
    if (!held) throw new Error('the port was never free');
  },
  isThere: () => held?.listening === true,
  leave: () => new Promise((done) => (held ? held.close(done) : done())).then(() => (held = undefined)),
});
