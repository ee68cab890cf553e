import { readlinkSync } from 'node:fs';
import { list, read } from './procfs.ts';
import type { Listener } from './socket-table.ts';

/** Who holds a port: `pid` and `command` are unknown when the process is another user's. */
export interface Holder {
  readonly pid: number | null;
  readonly command: string | null;
  readonly uid: number;
}

export const formatHolder = ({ pid, command, uid }: Holder): string =>
  pid === null ? `a process of user ${uid}` : `pid ${pid} (${command ?? 'unknown'})`;

/** Looks through the open files of every process that this user may look into. */
export const holderOf = ({ inode, uid }: Pick<Listener, 'uid' | 'inode'>): Holder => {
  const wanted = `socket:[${inode}]`;
  for (const entry of list('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    if (openFiles(entry).includes(wanted)) return { pid: Number(entry), command: commandOf(entry), uid };
  }
  return { pid: null, command: null, uid };
};

/** What the process has open, as its links in /proc/PID/fd say; '' for one that has been closed meanwhile. */
const openFiles = (pid: string): string[] =>
  list(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });

const commandOf = (pid: string): string | null => {
  const line = read(`/proc/${pid}/cmdline`)?.split('\0').join(' ').trim();
  return line || read(`/proc/${pid}/comm`)?.trim() || null;
};
