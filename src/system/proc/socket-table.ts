import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { canonicalHost } from '../../lib/address.ts';

/** A listening TCP socket (proc_pid_net(5)). */
export interface Listener {
  readonly host: string;
  readonly port: number;
  readonly uid: number;
  readonly inode: number;
  /** Connections that the kernel has completed and the process has not accepted yet (rx_queue). */
  readonly backlog: number;
}

export const TCP_TABLES = ['/proc/net/tcp', '/proc/net/tcp6'] as const;
const HAS_TCP_TABLES = existsSync(TCP_TABLES[0]);

/**
 * The sockets that listen on `port` in this network namespace; undefined without /proc, and when a table cannot be read.
 * @param since a cached table will do if it was read at this time (performance.now()) or later. Default: now
 * @param family restricts the search to one table. This saves time: the kernel walks all of a table even when it is
 * empty. Default: both families
 */
export const findListeners = (
  port: number,
  since = performance.now(),
  family?: 4 | 6,
): readonly Listener[] | undefined => {
  if (!HAS_TCP_TABLES) return undefined;
  const tables = family === undefined ? TCP_TABLES : [family === 4 ? TCP_TABLES[0] : TCP_TABLES[1]];
  const listeners = tables.map((path) => readListeners(path, since));
  if (listeners.includes(undefined)) return undefined;
  return listeners.flatMap((list) => list ?? []).filter((listener) => listener.port === port);
};

const readListeners = (path: string, since: number): readonly Listener[] | undefined => {
  const cached = listenerCache.get(path);
  if (cached && cached.readAt >= since) return cached.listeners;
  const readAt = performance.now();
  const lines = readListenerLines(path);
  if (!lines) return undefined;
  const entry = { readAt, listeners: lines.flatMap(parseListenerLine) };
  listenerCache.set(path, entry);
  return entry.listeners;
};

const listenerCache = new Map<string, { readonly readAt: number; readonly listeners: readonly Listener[] }>();

/**
 * Reads the table up to the first connection. The kernel lists listeners first; connections may be many thousands. Empty on a
 * host without IPv6, which has no such table; undefined when it cannot be read, as when this process is out of files.
 */
const readListenerLines = (path: string): readonly string[] | undefined => {
  let text = '';
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    for (
      let bytesRead = -1;
      bytesRead !== 0 && !CONNECTION_LINE.test(text);
      text += chunk.toString('latin1', 0, bytesRead)
    )
      bytesRead = readSync(fd, chunk);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? [] : undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  return text.split('\n');
};

const CHUNK_BYTES = 16_384;
/** A line whose state is not TCP_LISTEN (0A, include/net/tcp_states.h). */
const CONNECTION_LINE = /^ *\d+: \S+ \S+ (?!0A)[0-9A-F]{2} /m;

const parseListenerLine = (line: string): Listener[] => {
  const [, local = '', , state, queues = '', , , uid, , inode] = line.trim().split(/\s+/);
  if (state !== '0A') return [];
  const port = Number.parseInt(local.slice(-4), 16);
  const backlog = Number.parseInt(queues.slice(9), 16);
  return [{ host: parseHexHost(local.slice(0, -5)), port, uid: Number(uid), inode: Number(inode), backlog }];
};

/**
 * The unix socket that listens on `path`; undefined when there is none, or without /proc.
 * @param path spelled as it was bound
 */
export const findUnixListener = (path: string): Pick<Listener, 'uid' | 'inode'> | undefined => {
  const [inode] = findUnixListeners(path);
  const uid = statSync(path, { throwIfNoEntry: false })?.uid;
  return inode !== undefined && uid !== undefined ? { uid, inode } : undefined;
};

/**
 * The inodes of all unix sockets that listen and were bound to `path`, also of one whose file was removed since; empty without
 * /proc.
 * @param path spelled as it was bound
 */
export const findUnixListeners = (path: string): readonly number[] =>
  readTextOrEmpty('/proc/net/unix')
    .split('\n')
    .filter((line) => line.endsWith(` ${path}`))
    // The columns are: Num RefCount Protocol Flags Type St Inode Path.
    .map((line) => line.split(/\s+/, 7))
    .filter((columns) => columns[3] === ACCEPTING_FLAGS)
    .map((columns) => Number(columns[6]));

/** __SO_ACCEPTCON of include/uapi/linux/net.h: the socket listens. */
const ACCEPTING_FLAGS = '00010000';

/** "0100007F" → "127.0.0.1"; an IPv6 address is four words, each in the machine's (little) byte order. */
export const parseHexHost = (hex: string): string => {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  if (bytes.length === 4) return bytes.map((byte) => Number.parseInt(byte, 16)).join('.');
  return canonicalHost(bytes.join('').replace(/(.{4})(?=.)/g, '$1:'));
};

const readTextOrEmpty = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};
