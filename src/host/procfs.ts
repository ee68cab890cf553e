import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { type Address, canonicalHost, ipFamily } from '../core/address.ts';
import type { Holder } from '../core/status.ts';

/** What /proc says of a process (proc_pid_stat(5)). */
export interface ProcessState {
  /** R, S, D, T (stopped), t, Z (zombie, dead), X, I. */
  readonly state: string;
  /** Clock ticks since boot: with the pid it names one process for good. */
  readonly startTicks: number;
}

/** A listening TCP socket (proc_pid_net(5)). */
export interface Listener {
  readonly host: string;
  readonly port: number;
  readonly uid: number;
  readonly inode: number;
  /** Connections that the kernel has completed and that nobody has accepted yet (rx_queue). */
  readonly backlog: number;
}

export const HAS_PROCFS = existsSync('/proc/self/stat');

/** Undefined when there is no such process, or no /proc on this system. */
export const readProcess = (pid: number): ProcessState | undefined => {
  const fields = statFields(pid);
  return fields && { state: fields[0] ?? '?', startTicks: Number(fields[19]) };
};

/** The fields after the command, which may have spaces in it: from the third, the state. */
const statFields = (pid: number): readonly string[] | undefined => {
  const stat = read(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
};

/** How long the process's main thread has had a CPU, and waited for one, since it began (proc_pid_schedstat: sched-stats.rst). */
export const readSchedule = (
  pid: number | 'self',
): { readonly ranMs: number; readonly waitedMs: number } | undefined => {
  const [ran, waited] = read(`/proc/${pid}/schedstat`)?.split(' ').map(Number) ?? [];
  return ran === undefined || waited === undefined ? undefined : { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
};

/** When the process was started, by the wall clock; undefined when there is no such process, or no /proc. */
export const startedMs = (pid: number): number | undefined => {
  const ticks = readProcess(pid)?.startTicks;
  const uptimeSeconds = Number.parseFloat(read('/proc/uptime') ?? '');
  return ticks === undefined ? undefined : Date.now() - uptimeSeconds * 1_000 + ticks * TICK_MS;
};

/** USER_HZ, which /proc counts in, is 100 on every Linux of today (proc_pid_stat(5)). */
const TICK_MS = 10;

/** Alive means: there, and not a zombie. Without /proc, whether a signal could be sent. */
export const isAlive = (pid: number): boolean => {
  if (HAS_PROCFS) return !'ZX'.includes(readProcess(pid)?.state ?? 'X');
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/**
 * The sockets that listen on `port` in this network namespace; undefined without /proc.
 * @param sinceMs a table that was read since then (performance.now()) will do. Default: now
 */
export const listenersOn = (port: number, sinceMs = performance.now()): readonly Listener[] | undefined => {
  if (!HAS_PROCFS) return undefined;
  const tables = [readTable('/proc/net/tcp', sinceMs), readTable('/proc/net/tcp6', sinceMs)];
  const suffix = `:${hexPort(port)}`;
  return tables.flatMap((table) =>
    table.split('\n').flatMap((line) => {
      const [, local = '', , state, queues = '', , , uid, , inode] = line.trim().split(/\s+/);
      if (state !== LISTEN || !local.endsWith(suffix)) return [];
      const backlog = Number.parseInt(queues.slice(9), 16);
      return [{ host: hexHost(local.slice(0, -5)), port, uid: Number(uid), inode: Number(inode), backlog }];
    }),
  );
};

/** The unix socket that listens on `path`, spelled as it was bound; undefined when there is none, or no /proc. */
export const listenerOnFile = (path: string): Pick<Listener, 'uid' | 'inode'> | undefined => {
  const lines = read('/proc/net/unix')?.split('\n') ?? [];
  // Num RefCount Protocol Flags Type St Inode Path
  const fields = lines
    .map((line) => line.split(/\s+/, 7))
    .find((one, row) => one[3] === ACCEPTING && lines[row]?.endsWith(` ${path}`));
  const uid = statSync(path, { throwIfNoEntry: false })?.uid;
  return fields && uid !== undefined ? { uid, inode: Number(fields[6]) } : undefined;
};

/** __SO_ACCEPTCON of include/uapi/linux/net.h. */
const ACCEPTING = '00010000';

/**
 * The bytes that the kernel has not sent, or that the peer has not acknowledged (tx_queue), on the connection
 * between two addresses; undefined when there is none, or no /proc.
 * @param sinceMs a table that was read since then (performance.now()) will do, however many ask: to read it takes
 * milliseconds. Default: now
 */
export const unsentBytes = (
  local: Address,
  remote: Address,
  sinceMs = performance.now(),
): number | undefined => {
  const table = readTable(ipFamily(local.host) === 4 ? '/proc/net/tcp' : '/proc/net/tcp6', sinceMs);
  const ends = ` ${hexAddress(local)} ${hexAddress(remote)} `;
  const at = table.indexOf(ends);
  const queue =
    at < 0 ? undefined : /^\w+ ([0-9A-F]+):/.exec(table.slice(at + ends.length, at + ends.length + 32))?.[1];
  return queue === undefined ? undefined : Number.parseInt(queue, 16);
};

const tables = new Map<string, { readonly text: string; readonly atMs: number }>();

const readTable = (path: string, sinceMs: number): string => {
  const known = tables.get(path);
  if (known && known.atMs >= sinceMs) return known.text;
  const atMs = performance.now();
  const text = read(path) ?? '';
  tables.set(path, { text, atMs });
  return text;
};

/** "127.0.0.1" and 80 → "0100007F:0050"; the inverse of {@link hexHost}. */
const hexAddress = ({ host, port }: Address): string => {
  const words = ipFamily(host) === 4 ? [host.split('.').map(Number)] : ipv6Words(host);
  const hex = words.map((bytes) =>
    [...bytes]
      .reverse()
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join(''),
  );
  return `${hex.join('').toUpperCase()}:${hexPort(port)}`;
};

/** The four 4-byte words of an IPv6 address. */
const ipv6Words = (host: string): number[][] => {
  const [head = '', tail] = canonicalHost(host).replace(/%.*$/, '').split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  const bytes = [...left, ...zeros, ...right].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
  return [0, 4, 8, 12].map((start) => bytes.slice(start, start + 4));
};

const hexPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');

/** TCP_LISTEN of include/net/tcp_states.h. */
const LISTEN = '0A';

/** A process's limit of open files (default: this one's); undefined without /proc, or for another user's process. */
export const openFilesLimit = (pid: number | 'self' = 'self'): number | undefined => {
  const limit = Number(/Max open files\s+(\d+)/.exec(read(`/proc/${pid}/limits`) ?? '')?.[1]);
  return Number.isNaN(limit) ? undefined : limit;
};

/** What a process uses (proc_pid_status(5), proc_pid_stat(5)); undefined is what may not be read, or is not told here. */
export const readUsage = (pid: number) => {
  const rss = /VmRSS:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  const [utime, stime] = statFields(pid)?.slice(11, 13) ?? [];
  return {
    rssBytes: rss === undefined ? undefined : Number(rss) * 1_024,
    cpuMs: utime === undefined ? undefined : (Number(utime) + Number(stime)) * TICK_MS,
    openFiles: list(`/proc/${pid}/fd`).length || undefined,
    openFilesLimit: openFilesLimit(pid),
  };
};

/** Looks through the open files of every process that this user may look into. */
export const holderOf = ({ inode, uid }: Pick<Listener, 'uid' | 'inode'>): Holder => {
  const wanted = `socket:[${inode}]`;
  for (const entry of list('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    if (openFiles(entry).includes(wanted)) return { pid: Number(entry), command: commandOf(entry), uid };
  }
  return { pid: null, command: null, uid };
};

/**
 * This host's own IP addresses; link-local IPv6 ones with their scope, as bind(2) wants them. What was known last
 * when the system cannot tell (this process is out of files).
 */
export const localAddresses = (): readonly string[] => {
  try {
    lastAddresses = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
      (addresses ?? []).map(({ address, family, scopeid }) =>
        family === 'IPv6' && scopeid ? `${address}%${name}` : address,
      ),
    );
  } catch {
    // as it was
  }
  return lastAddresses;
};

let lastAddresses: readonly string[] = [];

const openFiles = (pid: string): string[] =>
  list(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });

/** Nothing when it may not be read, or when this process is out of files. */
const list = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

const commandOf = (pid: string): string | null => {
  const line = read(`/proc/${pid}/cmdline`)?.split('\0').join(' ').trim();
  return line || read(`/proc/${pid}/comm`)?.trim() || null;
};

/** "0100007F" → "127.0.0.1"; an IPv6 address is four words, each in the machine's (little) byte order. */
const hexHost = (hex: string): string => {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  if (bytes.length === 4) return bytes.map((byte) => Number.parseInt(byte, 16)).join('.');
  return canonicalHost(bytes.join('').replace(/(.{4})(?=.)/g, '$1:'));
};

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};
