import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProxyReport } from '../proxy/report.ts';
import { createDebug } from '../system/debug.ts';
import { isServed, listenOnUnixSocket } from '../system/unix-socket.ts';
import { connectControl } from './client.ts';
import { frame, onLine } from './framing.ts';
import { type Holder, identify } from './identity.ts';
import { type Handlers, type OrphanProtocol, type Protocol, UNKNOWN_ASK } from './protocol.ts';

export interface ControlServer {
  /** Sends the event to every client that is connected, and to each client that connects later. */
  announce(event: 'leaving'): void;
  /** @param lastReport is sent to every client that is connected. Default: no report is sent */
  close(lastReport?: ProxyReport): Promise<void>;
}

/**
 * A control socket that this process owns. Clients may connect; their requests are read once it serves. When its file is
 * removed, it is made anew within FILE_CHECK_INTERVAL_MS; the connections go on.
 */
export interface ControlSocket extends Pick<ControlServer, 'close'> {
  serve<P extends Protocol<P>>(handlers: Handlers<P>): ControlServer;
}

const debug = createDebug('ipc');

/**
 * Serves one protocol on a unix socket (mode 0600). A socket file on which no process answers is replaced.
 * @throws EADDRINUSE when a process does answer on it
 */
export const serveControl = async <P extends Protocol<P>>(
  path: string,
  handlers: Handlers<P>,
): Promise<ControlServer> => (await openControlSocket(path)).serve(handlers);

/** Works like {@link serveControl}, but waits as {@link claimControlSocket} does. */
export const serveControlWhenFree = async <P extends Protocol<P>>(
  path: string,
  handlers: Handlers<P>,
  onTaken: (holder: Holder) => void,
): Promise<ControlServer> => (await claimControlSocket(path, onTaken)).serve(handlers);

/** Opens the socket as soon as no other process answers on `path`. `onTaken` is called with each process that does. */
export const claimControlSocket = async (
  path: string,
  onTaken: (holder: Holder) => void,
): Promise<ControlSocket> => {
  let known: Holder | undefined;
  const onHolder = (holder: Holder): void => {
    if (known === undefined || holder.pid !== known.pid) onTaken(holder);
    known = holder;
  };
  let isNew = true;
  for (;;) {
    try {
      return await openControlSocket(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      isNew = await waitUntilFree(path, isNew ? onHolder : undefined);
    }
  }
};

const openControlSocket = async (path: string): Promise<ControlSocket> => {
  /** Every client, the one that has asked nothing for the longest time first. */
  const sockets = new Set<Socket>();
  const askers = new WeakSet<Socket>();
  let onSocket = (_: Socket): void => {};
  const listen = (): Promise<Server> =>
    listenAt(path, (socket) => {
      makeRoom(sockets, askers);
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
      onSocket(socket);
    });
  let server = await listen();
  const stopWatching = watchFile(path, async () => {
    // The close would remove a file that was made since.
    server.close();
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    server = await listen();
  });
  const close: ControlServer['close'] = async (lastReport) => {
    await stopWatching();
    return closeServer(server, sockets, lastReport);
  };
  return {
    close,
    serve: (handlers) => {
      let announcement = '';
      onSocket = (socket) => {
        if (announcement) socket.write(announcement);
        onLine(socket, (line) => {
          askers.add(socket);
          if (sockets.delete(socket)) sockets.add(socket);
          socket.write(answer(path, handlers, line));
        });
      };
      for (const socket of sockets) onSocket(socket);
      return {
        announce: (event) => {
          announcement = frame({ event });
          for (const socket of sockets) socket.write(announcement);
        },
        close,
      };
    },
  };
};

const listenAt = async (path: string, onSocket: (socket: Socket) => void): Promise<Server> => {
  const server = createServer(onSocket);
  await listenOnUnixSocket(server, { path });
  chmodSync(path, 0o600);
  server.on('error', () => {});
  debug('%s: listening', path);
  return server;
};

/** The monitor, and commands. There are no more, so that no program of the same user takes all open files. */
const MAX_CLIENTS = 100;

/**
 * Closes a client when there are MAX_CLIENTS, so that a new one is answered: the first that has never asked anything, or else the
 * one that has asked nothing for the longest time. The monitor, which asks again and again, thus keeps its connection.
 */
const makeRoom = (clients: Set<Socket>, askers: WeakSet<Socket>): void => {
  if (clients.size < MAX_CLIENTS) return;
  const [idlest] = clients;
  const leaver = [...clients].find((client) => !askers.has(client)) ?? idlest;
  if (leaver === undefined) return;
  clients.delete(leaver);
  leaver.destroy();
};

const FILE_CHECK_INTERVAL_MS = 1_000;

/**
 * Calls `renew` when the file is not the one that it is now: a cleaner of old files may remove it. One that another process
 * serves stays. A `renew` that rejects, as on a full disk, is tried again.
 * @returns a function that ends the watch, and settles when no `renew` is under way
 */
const watchFile = (path: string, renew: () => Promise<void>): (() => Promise<void>) => {
  let inode = inodeOf(path);
  let renewal: Promise<void> | undefined;
  const check = async (): Promise<void> => {
    if (inodeOf(path) === inode || (await isServed(path))) return;
    debug('%s: the file is gone', path);
    await renew();
    inode = inodeOf(path);
  };
  const timer = setInterval(() => {
    renewal ??= check()
      .catch((error: Error) => debug('%s: %s', path, error.message))
      .finally(() => {
        renewal = undefined;
      });
  }, FILE_CHECK_INTERVAL_MS).unref();
  return async () => {
    clearInterval(timer);
    await renewal;
  };
};

const inodeOf = (path: string): number | undefined => lstatSync(path, { throwIfNoEntry: false })?.ino;

const closeServer = (
  server: Server,
  sockets: ReadonlySet<Socket>,
  lastReport: ProxyReport | undefined,
): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of sockets) {
      // The kernel takes what fits into the socket's buffer at once, so a monitor that hangs delays no other client.
      if (lastReport) socket.write(frame({ event: 'last', report: lastReport }));
      socket.destroy();
    }
  });

interface Request {
  readonly id: unknown;
  readonly ask: string;
  readonly with: unknown;
}

/** The answer to one line. A handler that throws, and a line that is no request, are answered with an error. */
const answer = (path: string, handlers: object, line: string): string => {
  debug('%s → %s', path, line);
  let id: unknown = null;
  try {
    const request = JSON.parse(line) as Request;
    id = request.id;
    const handler = (handlers as Record<string, ((ask: unknown) => unknown) | undefined>)[request.ask];
    if (!Object.hasOwn(handlers, request.ask) || !handler)
      throw new Error(`${UNKNOWN_ASK} ${JSON.stringify(request.ask)}`);
    return frame({ id, reply: handler(request.with) ?? null });
  } catch (error) {
    debug('%s: request %s failed: %s', path, id, (error as Error).message);
    return frame({ id, error: (error as Error).message });
  }
};

/**
 * Waits until the owner of the socket has gone. An owner that cannot be asked, or whose file is gone, is tried again
 * after {@link TAKEN_RETRY_MS}.
 * @param onHolder called with the owner. Default: it is not asked who it is
 * @returns true when the owner has gone, false when it is still there
 */
const waitUntilFree = async (path: string, onHolder?: (holder: Holder) => void): Promise<boolean> => {
  let isWaiting = true;
  const timeout = sleep(TAKEN_RETRY_MS);
  const owner = await connectControl<OrphanProtocol>(path, TAKEN_RETRY_MS).catch(() => undefined);
  if (onHolder)
    void identify(path, owner).then((holder) => {
      if (isWaiting) onHolder(holder);
    });
  const released = owner?.closed.then(() => sleep(FREED_PAUSE_MS, true));
  const isReleased = await Promise.race([released ?? timeout, timeout]);
  isWaiting = false;
  owner?.close();
  return isReleased === true;
};

const TAKEN_RETRY_MS = 2_000;
/**
 * The pause after the owner closed the connection, so that an owner which closes at once and stays is not asked in a
 * tight loop.
 */
const FREED_PAUSE_MS = 20;
