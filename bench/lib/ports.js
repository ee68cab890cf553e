// Ports of 127.0.0.1: which are free, and who listens.
import { closeSync, openSync, readSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Nobody at the other end, and TCP_LISTEN of include/net/tcp_states.h. */
const LISTENER = '00000000:0000 0A';
const PATIENCE_MS = 15_000;
/** Below what Linux hands out (32768 to 60999): a free port stays free, and no end connects to itself. */
const PORTS = { first: 12_000, count: 8_000 };

export const waitForPort = async (server) => {
  for (const giveUpAt = Date.now() + PATIENCE_MS; !isListening(server.port); await sleep(10)) {
    if (server.ended) throw new Error(server.ended);
    if (Date.now() > giveUpAt)
      throw new Error(`nothing listens on port ${server.port} after ${PATIENCE_MS / 1000} s`);
  }
};

export const freePort = async () => {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port)) return port;
  }
};

const isFree = (port) =>
  new Promise((done) => {
    const server = createServer()
      .once('error', () => done(false))
      .listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });

/** The table begins with the listeners; what may follow is tens of thousands of connections. */
const isListening = (port) => {
  const wanted = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} ${LISTENER}`;
  const page = Buffer.alloc(4_096);
  const table = openSync('/proc/net/tcp');
  try {
    for (;;) {
      const text = page.toString('latin1', 0, readSync(table, page));
      if (text.includes(wanted)) return true;
      if (!text.includes(LISTENER)) return false;
    }
  } finally {
    closeSync(table);
  }
};
