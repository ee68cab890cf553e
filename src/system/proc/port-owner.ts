import { readlinkSync } from 'node:fs';
import { listProcFolder, readProcFile } from './procfs.ts';
import type { Listener } from './socket-table.ts';

/** The process that holds a port. `pid` and `command` are null when it is another user's. */
export interface PortOwner {
  readonly pid: number | null;
  readonly command: string | null;
  readonly uid: number;
}

export const formatPortOwner = ({ pid, command, uid }: PortOwner): string =>
  pid === null ? `a process of user ${uid}` : `pid ${pid} (${command ?? 'unknown'})`;

/** Finds the owner of a listening socket among the open files of every process that this user may inspect. */
export const ownerOf = ({ inode, uid }: Pick<Listener, 'uid' | 'inode'>): PortOwner => {
  const socketLink = `socket:[${inode}]`;
  for (const pid of listProcFolder('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    if (readOpenFiles(pid).includes(socketLink)) return { pid: Number(pid), command: readCommand(pid), uid };
  }
  return { pid: null, command: null, uid };
};

/** The targets of the links in /proc/PID/fd; '' for a file that was closed meanwhile. */
const readOpenFiles = (pid: string): string[] =>
  listProcFolder(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });

const readCommand = (pid: string): string | null => {
  const commandLine = readProcFile(`/proc/${pid}/cmdline`)?.split('\0').join(' ').trim();
  return commandLine || readProcFile(`/proc/${pid}/comm`)?.trim() || null;
};
