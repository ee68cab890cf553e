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

/** 30 s of silence, then 6 probes: a peer that has vanished is found within 80 s. */
const KEEPALIVE_IDLE_SECONDS = 30;
const KEEPALIVE_PROBES = 6;
const [MIN_KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_INTERVALS] = [4, 5];
let intervalOffset = 0;

/**
 * Asks after a peer that is silent. Thousands of connections that were opened at once probe at once, and loopback drops
 * what is over net.core.netdev_max_backlog (1,000): with the same pause for all, those that were dropped the first time
 * were dropped each time, and their connections lost. So each has another pause than the one before.
 */
export const enableKeepAlive = (libc: Libc, fd: number): void => {
  intervalOffset = (intervalOffset + 1) % KEEPALIVE_INTERVALS;
  libc.setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS);
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, MIN_KEEPALIVE_INTERVAL_SECONDS + intervalOffset);
};

/** The kernel cuts it to net.core.somaxconn (listen(2)). */
const BACKLOG = 4_096;

/**
 * Sends at once. Within this host nothing is paced, which BBR does with a timer for each few packets: for that, the socket
 * must have had another congestion control before it was connected (`bbr_init` in net/ipv4/tcp_bbr.c turns pacing on, and
 * nothing turns it off). What a listener accepts has its options (tcp(7)).
 */
export const setLowLatency = (libc: Libc, fd: number, address: Address): void => {
  if (isUnixSocket(address)) return;
  if (isLoopback(address.host)) libc.sendWithoutPacing(fd);
  libc.setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
};

/**
 * A listening socket of this process alone: without SO_REUSEPORT, so that a port in use is EADDRINUSE.
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
    // For clients that wait for the upstream.
    if (!isUnixSocket(address)) enableKeepAlive(libc, fd);
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

const throwOnError = (call: string, { host, port }: Address, result: number): number => {
  if (result >= 0) return result;
  const code = errorName(-result);
  const where = port === 0 ? host : `${host}:${port}`;
  throw Object.assign(new Error(`${call} ${code}: ${where}`), { code, syscall: call });
};
