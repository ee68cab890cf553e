import { lstatSync, unlinkSync } from 'node:fs';
import { connect, type ListenOptions, type Server } from 'node:net';
import { MAX_SOCKET_PATH_BYTES } from '../lib/address.ts';
import { UsageError } from '../lib/usage-error.ts';

/**
 * Listens on a unix socket. A stale socket file, on which no process listens, is replaced.
 * @throws EADDRINUSE when a process listens on it, or when the file is not a socket
 */
export const listenOnUnixSocket = (
  server: Server,
  options: ListenOptions & { path: string },
): Promise<void> =>
  replaceStaleSocket(
    options.path,
    () =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ ...options, exclusive: true }, () => {
          server.off('error', reject);
          resolve();
        });
      }),
  );

/**
 * Calls `listen`. If it rejects with EADDRINUSE because of a stale socket file, removes the file and calls `listen` again.
 * See {@link listenOnUnixSocket}.
 */
export const replaceStaleSocket = async <T>(path: string, listen: () => Promise<T>): Promise<T> => {
  try {
    return await listen();
  } catch (error) {
    const isInUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    if (!isInUse || !isSocketFile(path) || (await isServed(path))) throw error;
    unlinkSync(path);
    return listen();
  }
};

/**
 * Whether a process listens on the unix socket: `yes`, `no`, or the code of the error that leaves it open, such as EMFILE. Only
 * ECONNREFUSED, ENOENT or ENOTDIR proves that none does (connect(2)).
 */
export const askServed = (path: string): Promise<'yes' | 'no' | (string & {})> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      resolve('yes');
      socket.destroy();
    });
    socket.once('error', ({ code = 'unknown error' }: NodeJS.ErrnoException) =>
      resolve(['ECONNREFUSED', 'ENOENT', 'ENOTDIR'].includes(code) ? 'no' : code),
    );
  });

/** True unless it is certain that no process listens on the unix socket. */
export const isServed = async (path: string): Promise<boolean> => (await askServed(path)) !== 'no';

/**
 * True when it is certain that a process listens on the unix socket, whether or not it answers. EAGAIN: so many clients wait for it
 * already that the kernel takes no more (connect(2)).
 */
export const isListening = async (path: string): Promise<boolean> =>
  ['yes', 'EAGAIN'].includes(await askServed(path));

/** True when the path is a socket file, served or stale. */
export const isSocketFile = (path: string): boolean =>
  lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;

/**
 * @param variable the environment variable that names the folder, for the message
 * @param socket the path of a socket in the folder
 * @returns the path of the socket
 * @throws UsageError when it is longer than the system takes (MAX_SOCKET_PATH_BYTES); it says what length the folder may have
 */
export const requireSocketPath = (variable: string, folder: string, socket: string): string => {
  const [bytes, socketBytes] = [Buffer.byteLength(folder), Buffer.byteLength(socket)];
  if (socketBytes <= MAX_SOCKET_PATH_BYTES) return socket;
  throw new UsageError(
    `${variable} is ${JSON.stringify(folder)}: expected a path of at most ${MAX_SOCKET_PATH_BYTES - (socketBytes - bytes)} bytes, ` +
      `and it has ${bytes}; a socket in it (${socket}) may have at most ${MAX_SOCKET_PATH_BYTES}`,
  );
};
