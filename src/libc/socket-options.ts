import { type Address, ipFamily, isLoopback, isUnixSocket } from '../lib/address.ts';
import { errorName } from './errno.ts';
import {
  ADDRESS_MEMORY_BYTES,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  type Libc,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from './libc.ts';
import { readAddress, writeAddress } from './sockaddr.ts';

/**
 * KEEPALIVE_PROBES probes follow KEEPALIVE_IDLE_SECONDS of silence. Intervals of 4 to 8 s detect a vanished peer within
 * 80 s.
 */
const KEEPALIVE_IDLE_SECONDS = 30;
const KEEPALIVE_PROBES = 6;
const MIN_KEEPALIVE_INTERVAL_SECONDS = 4;
const KEEPALIVE_INTERVALS = 5;
let intervalOffset = 0;

/**
 * Turns on keep-alive probes (tcp(7)), which detect a vanished peer. Thousands of connections that were opened together
 * probe together, and loopback drops packets above net.core.netdev_max_backlog (1,000). With one interval for all, the
 * probes that were dropped the first time were dropped every time, and their connections were lost. Each connection
 * therefore takes the next of KEEPALIVE_INTERVALS intervals.
 */
export const enableKeepAlive = (libc: Libc, fd: number): void => {
  intervalOffset = (intervalOffset + 1) % KEEPALIVE_INTERVALS;
  libc.setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS);
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, MIN_KEEPALIVE_INTERVAL_SECONDS + intervalOffset);
};

/** The kernel limits the backlog to net.core.somaxconn (listen(2)). */
export const BACKLOG = 4_096;

/**
 * Turns off Nagle's algorithm, and pacing on loopback. BBR paces with a timer for every few packets: `bbr_init` in
 * net/ipv4/tcp_bbr.c turns pacing on, and nothing turns it off. So the socket must have another congestion control before
 * it connects. Accepted sockets inherit the listener's options (tcp(7)). Unix sockets have none
 * of these options.
 */
export const setLowLatency = (libc: Libc, fd: number, address: Address): void => {
  if (isUnixSocket(address)) return;
  if (isLoopback(address.host)) libc.sendWithoutPacing(fd);
  libc.setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
};

/**
 * Opens a listening socket. It does not set SO_REUSEPORT, so a port that is in use fails with EADDRINUSE.
 * @returns the file descriptor, and the address with the port that the system chose where the given one is 0
 * @throws Error with the system's code
 */
export const openListener = (
  libc: Libc,
  address: Address,
): { readonly fd: number; readonly bound: Address } => {
  const memory = libc.allocate(ADDRESS_MEMORY_BYTES);
  const { size, family } = writeAddress(address, memory);
  const fd = throwOnError('socket', address, libc.socket(family));
  try {
    if (!isUnixSocket(address))
      throwOnError('setsockopt', address, libc.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1));
    if (ipFamily(address.host) === 6)
      throwOnError('setsockopt', address, libc.setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    throwOnError('bind', address, libc.bind(fd, memory, size));
    setLowLatency(libc, fd, address);
    // Clients inherit both: the vanished ones are detected while they wait for the upstream, and those of a process that is
    // killed see a reset instead of an orderly end.
    if (!isUnixSocket(address)) {
      enableKeepAlive(libc, fd);
      libc.setResetOnClose(fd, true);
    }
    throwOnError('listen', address, libc.listen(fd, BACKLOG));
    throwOnError('getsockname', address, libc.getsockname(fd, memory));
    const port = readAddress(memory)?.port ?? 0;
    return { fd, bound: { host: address.host, port } };
  } catch (error) {
    libc.close(fd);
    throw error;
  } finally {
    libc.release(memory);
  }
};

/**
 * @param result what the system call has returned: a negative errno where it failed
 * @throws Error with the system's code
 */
export const throwOnError = (call: string, { host, port }: Address, result: number): number => {
  if (result >= 0) return result;
  const code = errorName(-result);
  const where = port === 0 ? host : `${host}:${port}`;
  throw Object.assign(new Error(`${call} ${code}: ${where}`), { code, syscall: call });
};
