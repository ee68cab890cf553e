import { lstatSync, unlinkSync } from 'node:fs';
import { connect, type ListenOptions, type Server } from 'node:net';

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
