import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** A page for people, scrapers and health checks: more clients at once are a mistake, or an attack. */
const MAX_CLIENTS = 100;
/** Enough for a scraper and a person to learn that the files are short, and little of the reserve. */
const MAX_CLIENTS_WHEN_SHORT = 4;

/**
 * Serves at most MAX_CLIENTS at a time: for one more, the one that has been idle for the longest time makes room.
 * @param isShortOfFiles true: at most MAX_CLIENTS_WHEN_SHORT are served
 */
export const limitClients = (
  server: Server,
  isShortOfFiles: () => boolean,
  maxClients = MAX_CLIENTS,
): void => {
  /** Every client, the one that has been idle for the longest time first. */
  const clients = new Set<Socket>();
  const busy = new Set<Socket>();
  const makeRoom = (limit: number): boolean => {
    for (const client of clients) {
      if (clients.size < limit) break;
      if (busy.has(client)) continue;
      clients.delete(client);
      client.destroy();
    }
    return clients.size < limit;
  };
  server.on('connection', (socket: Socket) => {
    if (!makeRoom(isShortOfFiles() ? Math.min(MAX_CLIENTS_WHEN_SHORT, maxClients) : maxClients)) {
      socket.destroy();
      return;
    }
    clients.add(socket);
    socket.once('close', () => {
      clients.delete(socket);
      busy.delete(socket);
    });
  });
  server.on('request', ({ socket }, response) => {
    busy.add(socket);
    response.once('close', () => {
      busy.delete(socket);
      // Behind those that have been idle for longer.
      if (clients.delete(socket)) clients.add(socket);
    });
  });
};
