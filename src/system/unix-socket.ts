import { lstatSync, unlinkSync } from 'node:fs';
import { connect, type ListenOptions, type Server } from 'node:net';

/**
 * Listens on a unix socket. A socket file that nobody answers on is replaced.
 * @throws EADDRINUSE when somebody does answer on it, or when something that is no socket is there
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

/** Calls `listen`, and once more without the file when it is a socket that nobody answers on; see {@link listenOnUnixSocket}. */
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

/** Whether somebody listens on the unix socket: only a refusal says that nobody does (connect(2)). */
export const isServed = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(true));
    socket.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'),
    );
    socket.once('connect', () => socket.destroy());
  });

/** Whether there is a socket file, be it served or not. */
export const isSocketFile = (path: string): boolean =>
  lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
