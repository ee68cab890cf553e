// A worker with the applications behind the proxies: small HTTP servers.
import { createServer } from 'node:http';
import { serveCommands } from '../../lib/ipc-worker.js';

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

serveCommands({
  open,
  close,
  silence: ({ port }) => {
    servers.get(port).isSilent = true;
  },
  /** Answers again, and closes the connections that still wait. */
  speak: ({ port }) => {
    servers.get(port).isSilent = false;
    servers.get(port).server.closeAllConnections();
  },
});
