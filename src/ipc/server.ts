import { chmodSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProxyReport } from '../proxy/report.ts';
import { listenOnUnixSocket } from '../system/unix-socket.ts';
import { connectControl } from './client.ts';
import { frame, onLine } from './framing.ts';
import type { Handlers, Protocol } from './protocol.ts';

export interface ControlServer {
  /** Tells every monitor that is connected, and those that still come. */
  announce(event: 'leaving'): void;
  /** @param lastReport its last report, to whoever is connected */
  close(lastReport?: ProxyReport): Promise<void>;
}

/**
 * Serves one protocol on a unix socket (mode 0600). A socket file that nobody answers on is replaced.
 * @throws EADDRINUSE when somebody does answer on it
 */
export const serveControl = async <P extends Protocol<P>>(
  path: string,
  handlers: Handlers<P>,
): Promise<ControlServer> => {
  const sockets = new Set<Socket>();
  let announcement = '';
  const server = createServer((socket) => {
    sockets.add(socket);
    if (announcement) socket.write(announcement);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    onLine(socket, (line) => socket.write(answer(handlers, line)));
  });
  await listenOnUnixSocket(server, { path });
  chmodSync(path, 0o600);
  server.on('error', () => {});
  return {
    announce: (event) => {
      announcement = frame({ event });
      for (const socket of sockets) socket.write(announcement);
    },
    close: (lastReport) =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) {
          // What fits into the socket is there at once: a monitor that hangs keeps nobody.
          if (lastReport) socket.write(frame({ event: 'last', report: lastReport }));
          socket.destroy();
        }
      }),
  };
};
const answer = (handlers: object, line: string): string => {
  let id: unknown = null;
  try {
    const {
      id: requestId,
      ask,
      with: argument,
    } = JSON.parse(line) as { id: unknown; ask: string; with: unknown };
    id = requestId;
    const handler = (handlers as Record<string, ((ask: unknown) => unknown) | undefined>)[ask];
    if (!Object.hasOwn(handlers, ask) || !handler) throw new Error(`unknown ask ${JSON.stringify(ask)}`);
    return frame({ id, reply: handler(argument) ?? null });
  } catch (error) {
    return frame({ id, error: (error as Error).message });
  }
};

/** As {@link serveControl}, but while somebody answers on `path` it waits for them to leave; `tell` is called once. */
export const serveControlWhenFree = async <P extends Protocol<P>>(
  path: string,
  handlers: Handlers<P>,
  onTaken: () => void,
): Promise<ControlServer> => {
  for (let attempts = 0; ; attempts += 1) {
    try {
      return await serveControl(path, handlers);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      if (attempts === 0) onTaken();
      await waitUntilFree(path);
    }
  }
};

/** One that cannot be asked, or whose file is gone, is looked at again after {@link TAKEN_RETRY_MS}. */
const waitUntilFree = async (path: string): Promise<void> => {
  const timeout = sleep(TAKEN_RETRY_MS);
  const owner = await connectControl(path, TAKEN_RETRY_MS).catch(() => undefined);
  const released = owner?.closed.then(() => sleep(FREED_PAUSE_MS));
  await Promise.race([released ?? timeout, timeout]);
  owner?.close();
};

const TAKEN_RETRY_MS = 2_000;
/** One that closes at once, and stays, is not asked without end. */
const FREED_PAUSE_MS = 20;
