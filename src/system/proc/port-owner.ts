import { readlinkSync, statSync } from 'node:fs';
import { proxyTitle } from '../../config/app-names.ts';
import { type Address, isUnixSocket } from '../../lib/address.ts';
import { covers } from '../../lib/listen-spec.ts';
import { printable } from '../../lib/printable.ts';
import { listProcFolder, readProcFile } from './procfs.ts';
import { findListeners, findUnixListener, type Listener } from './socket-table.ts';
import { readName } from './user-names.ts';

/** The process that holds a port. `pid` and `command` are null when it is another user's, unless it is a proxy. */
export interface PortOwner {
  readonly pid: number | null;
  readonly command: string | null;
  readonly uid: number;
}

/** The owner for people. Its command line may have any characters, as its user chose. */
export const formatPortOwner = ({ pid, command, uid }: PortOwner): string =>
  pid === null
    ? `a process of user ${readName('passwd', uid)}`
    : `pid ${pid} (${printable(command ?? 'unknown', MAX_COMMAND_LENGTH)})${isOther(uid) ? ` of user ${readName('passwd', uid)}` : ''}`;

/** False where there are no users, as on Windows. */
const isOther = (uid: number): boolean => process.getuid !== undefined && uid !== process.getuid();

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
  if (isUnixSocket(address)) {
    const socket = findUnixListener(address.host);
    return socket ? ownerOf(socket) : null;
  }
  const listener = findListeners(address.port)?.find((candidate) => conflicts(candidate, address));
  return listener ? ownerOfPort(listener) : null;
};

/** Another user whose process listens on an address. */
export interface OtherUser {
  readonly name: string;
  /** Null when this user may not see the process. */
  readonly pid: number | null;
  /** Null when this user may not see what it is. */
  readonly isProxy: boolean | null;
}

/**
 * The other user whose process listens where one of these addresses would be bound; null when there is none, as without /proc.
 * @param addresses TCP addresses
 */
export const findOtherUser = (addresses: readonly Address[]): OtherUser | null => {
  const listener = addresses
    .flatMap(
      (address) => findListeners(address.port)?.filter((candidate) => conflicts(candidate, address)) ?? [],
    )
    .find(({ uid }) => isOther(uid));
  if (!listener) return null;
  const { pid, command } = ownerOfPort(listener);
  const isProxy = command === null ? null : command === proxyTitle(String(listener.port));
  return { name: readName('passwd', listener.uid), pid, isProxy };
};

const ownerOfPort = (listener: Listener): PortOwner => {
  const owner = ownerOf(listener);
  return owner.pid === null ? ownerByTitle(listener) : owner;
};

/**
 * The owner of a socket whose process may not be inspected: the process of its user that has the title of the port's proxy, which
 * everybody may read, unless /proc is mounted with hidepid (proc(5)).
 */
const ownerByTitle = ({ uid, port }: Pick<Listener, 'uid' | 'port'>): PortOwner => {
  const title = proxyTitle(String(port));
  const pid = listProcFolder('/proc').find(
    (entry) => /^\d+$/.test(entry) && readCommand(entry) === title && ownerOfProcess(entry) === uid,
  );
  return pid === undefined ? { pid: null, command: null, uid } : { pid: Number(pid), command: title, uid };
};

const ownerOfProcess = (pid: string): number | undefined =>
  statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;

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
