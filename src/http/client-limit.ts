import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** A page for people, scrapers and health checks: more clients at once are a mistake, or an attack. */
const MAX_CLIENTS = 100;

/**
 * Serves at most MAX_CLIENTS at a time: for one more, the one that has been idle for the longest time makes room.
 * @param isShortOfFiles true: no further client is served
 */
export const limitClients = (
  server: Server,
  isShortOfFiles: () => boolean,
  maxClients = MAX_CLIENTS,
): void => {
  /** Every client, the one that has been idle for the longest time first. */
  const clients = new Set<Socket>();
  const busy = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    const idle = clients.size < maxClients ? undefined : [...clients].find((client) => !busy.has(client));
    if (isShortOfFiles() || (clients.size >= maxClients && !idle)) {
      socket.destroy();
      return;
    }
    idle?.destroy();
    if (idle) clients.delete(idle);
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
