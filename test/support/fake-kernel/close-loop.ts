import { closeSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** Loaded before all else: at SIGUSR2 the epoll instance of the data path is closed under its hands. */
if (isMainThread)
  process.on('SIGUSR2', () => {
    for (const fd of readdirSync('/proc/self/fd').filter(isLoop)) closeSync(Number(fd));
  });

/** Its events carry a second number beside the file's (proc_pid_fdinfo(5)); libuv's do not. */
const isLoop = (fd: string): boolean => {
  try {
    const isEpoll = readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]';
    return isEpoll && /data: +[1-9a-f][\da-f]{8}/.test(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
  } catch {
    return false;
  }
};
