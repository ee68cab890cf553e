import { closeSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** A preload: SIGUSR2 closes the epoll instance of the data path while its loop uses it. */
if (isMainThread)
  process.on('SIGUSR2', () => {
    for (const fd of readdirSync('/proc/self/fd').filter(isLoop)) closeSync(Number(fd));
  });

/** The loop's events carry a generation beside the file descriptor (proc_pid_fdinfo(5)); those of libuv do not. */
const isLoop = (fd: string): boolean => {
  try {
    const isEpoll = readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]';
    return isEpoll && /data: +[1-9a-f][\da-f]{8}/.test(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
  } catch {
    return false;
  }
};
