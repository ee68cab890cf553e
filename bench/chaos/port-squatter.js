// Takes a port as soon as it is free, and keeps it until it is told to leave. Led by messages {id, order, port}.
import { createServer } from 'node:net';

const PATIENCE_MS = 5_000;
/** Faster than any process starts. */
const TRY_EVERY_MS = 1;

let holding;

const listen = (port) =>
  new Promise((done) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => done(undefined)).listen({ port, host: '127.0.0.1' }, () => done(server));
  });

const ORDERS = {
  take: async ({ port }) => {
    for (const end = Date.now() + PATIENCE_MS; !holding && Date.now() < end; ) {
      holding = await listen(port);
      await new Promise((done) => setTimeout(done, TRY_EVERY_MS));
    }
    if (!holding) throw new Error('the port was never free');
  },
  isThere: () => holding?.listening === true,
  leave: () =>
    new Promise((done) => (holding ? holding.close(done) : done())).then(() => (holding = undefined)),
};

process.on('message', async (message) => {
  try {
    process.send({ id: message.id, value: await ORDERS[message.order](message) });
  } catch (error) {
    process.send({ id: message.id, error: error.message });
  }
});
process.on('disconnect', () => process.exit());
