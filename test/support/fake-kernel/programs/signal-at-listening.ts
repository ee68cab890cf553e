import { isMainThread } from 'node:worker_threads';

/** A preload: the process gets SIGTERM as soon as it logs that it listens. */
if (isMainThread) {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = ((...args: Parameters<typeof write>) => {
    if (String(args[0]).includes('listening')) process.kill(process.pid, 'SIGTERM');
    return write(...args);
  }) as typeof write;
}
