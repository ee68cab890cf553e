// The applications behind the proxies: small HTTP servers in a process of their own, led by messages
// {id, order, host, port}; each is answered by its id once it is done.
import { createServer } from 'node:http';

const servers = new Map();

const open = ({ host, port }) =>
  new Promise((done, fail) => {
    const entry = { isSilent: false };
    entry.server = createServer({ keepAliveTimeout: 0 }, (_, response) => {
      if (!entry.isSilent) response.end('steadyport chaos');
    });
    entry.server.once('error', fail).listen({ host, port, backlog: 1_000 }, () => {
      servers.set(port, entry);
      done();
    });
  });

const close = ({ port }) =>
  new Promise((done) => {
    const { server } = servers.get(port) ?? {};
    servers.delete(port);
    if (!server) return done();
    server.close(() => done());
    server.closeAllConnections();
  });

const ORDERS = {
  open,
  close,
  silence: ({ port }) => {
    servers.get(port).isSilent = true;
  },
  /** Whoever still waits is let go. */
  speak: ({ port }) => {
    servers.get(port).isSilent = false;
    servers.get(port).server.closeAllConnections();
  },
};

process.on('message', async (message) => {
  try {
    await ORDERS[message.order](message);
    process.send({ id: message.id });
  } catch (error) {
    process.send({ id: message.id, error: error.message });
  }
});
process.on('disconnect', () => process.exit());
