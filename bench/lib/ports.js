// Finds free ports of 127.0.0.1, and waits for listeners.
import { closeSync, openSync, readSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** No remote address, and TCP_LISTEN of include/net/tcp_states.h. */
const LISTENER = '00000000:0000 0A';
const TIMEOUT_MS = 15_000;
/** Below Linux's ephemeral ports (32768 to 60999): a free port stays free, and no socket connects to itself. */
const PORTS = { first: 12_000, count: 8_000 };

export const waitForPort = async (server) => {
  for (const giveUpAt = Date.now() + TIMEOUT_MS; !isListening(server.port); await sleep(10)) {
    if (server.ended) throw new Error(server.ended);
    if (Date.now() > giveUpAt)
      throw new Error(`nothing listens on port ${server.port} after ${TIMEOUT_MS / 1000} s`);
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

/** Reads only the listeners, with which the table begins: tens of thousands of connections may follow. */
const isListening = (port) => {
  const entry = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} ${LISTENER}`;
  const page = Buffer.alloc(4_096);
  const table = openSync('/proc/net/tcp');
  try {
    for (;;) {
      const text = page.toString('latin1', 0, readSync(table, page));
      if (text.includes(entry)) return true;
      if (!text.includes(LISTENER)) return false;
    }
  } finally {
    closeSync(table);
  }
};
