// A worker whose clients stall: they do not read an endless answer, or send endlessly to an upstream that does not read.
import { serveCommands } from '../lib/ipc-worker.js';
import { openMany } from './echo-client.js';
import { writeEndlessly } from './endless.js';

const AT_A_TIME = 50;

let clients = [];

serveCommands({
  /** @param asks whether the clients ask for an endless answer */
  open: async ({ port, count, asks }) => {
    while (clients.length < count) {
      const batch = await openMany(port, Math.min(AT_A_TIME, count - clients.length));
      for (const socket of batch) {
        socket.pause().write(asks ? 'a' : 's');
        if (!asks) writeEndlessly(socket);
      }
      clients.push(...batch);
    }
  },
  /** @returns the number of clients whose connection was closed before they left */
  leave: () => {
    const lost = clients.filter(({ destroyed }) => destroyed).length;
    for (const socket of clients) if (!socket.destroyed) socket.resetAndDestroy();
    clients = [];
    return lost;
  },
});
