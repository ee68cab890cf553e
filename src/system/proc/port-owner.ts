import { readlinkSync } from 'node:fs';
import { type Address, isUnixSocket } from '../../lib/address.ts';
import { covers } from '../../lib/listen-spec.ts';
import { printable } from '../../lib/printable.ts';
import { listProcFolder, readProcFile } from './procfs.ts';
import { findListeners, findUnixListener, type Listener } from './socket-table.ts';

/** The process that holds a port. `pid` and `command` are null when it is another user's. */
export interface PortOwner {
  readonly pid: number | null;
  readonly command: string | null;
  readonly uid: number;
}

/** The owner for people. Its command line may have any characters, as its user chose. */
export const formatPortOwner = ({ pid, command, uid }: PortOwner): string =>
  pid === null
    ? `a process of user ${uid}`
    : `pid ${pid} (${printable(command ?? 'unknown', MAX_COMMAND_LENGTH)})`;

const MAX_COMMAND_LENGTH = 200;

/** Finds the owner of a listening socket among the open files of every process that this user may inspect. */
export const ownerOf = ({ inode, uid }: Pick<Listener, 'uid' | 'inode'>): PortOwner => {
  const socketLink = `socket:[${inode}]`;
  for (const pid of listProcFolder('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    if (readOpenFiles(pid).includes(socketLink)) return { pid: Number(pid), command: readCommand(pid), uid };
  }
  return { pid: null, command: null, uid };
};

/** The process that keeps an address from being bound; null when nobody is found, as without /proc. */
export const findPortOwner = (address: Address): PortOwner | null => {
  const listener = isUnixSocket(address)
    ? findUnixListener(address.host)
    : findListeners(address.port)?.find((candidate) => conflicts(candidate, address));
  return listener ? ownerOf(listener) : null;
};

/** Two listeners conflict when they have the same address, or when one is a wildcard that covers the other's. */
export const conflicts = (listener: Listener, address: Address): boolean =>
  covers(listener, address, [address.host]) ||
  covers(address, listener, [listener.host]) ||
  listener.host === address.host.replace(/%.*$/, '') ||
  listener.host === '::';

/** True when the socket is among the process's open files; false also for a process that this user may not inspect. */
export const holdsSocket = (pid: number, inode: number): boolean =>
  readOpenFiles(String(pid)).includes(`socket:[${inode}]`);

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
