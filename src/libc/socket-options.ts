import { type Address, ipFamily, isLoopback, isUnix } from '../lib/address.ts';
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
const KEEPALIVE_SECONDS = 30;
const PROBES = 6;
const [LEAST_PAUSE_SECONDS, PAUSES] = [4, 5];
let turn = 0;

/**
 * Asks after a peer that is silent. Thousands of connections that were opened at once probe at once, and loopback drops
 * what is over net.core.netdev_max_backlog (1,000): with the same pause for all, those that were dropped the first time
 * were dropped each time, and their connections lost. So each has another pause than the one before.
 */
export const keepAlive = (libc: Libc, fd: number): void => {
  turn = (turn + 1) % PAUSES;
  libc.setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_SECONDS);
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
  libc.setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, LEAST_PAUSE_SECONDS + turn);
};

/** The kernel cuts it to net.core.somaxconn (listen(2)). */
const BACKLOG = 4_096;

/**
 * Sends at once. Within this host nothing is paced, which BBR does with a timer for each few packets: for that, the socket
 * must have had another congestion control before it was connected (`bbr_init` in net/ipv4/tcp_bbr.c turns pacing on, and
 * nothing turns it off). What a listener accepts has its options (tcp(7)).
 */
export const makePrompt = (libc: Libc, fd: number, address: Address): void => {
  if (isUnix(address)) return;
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
  const memory = libc.memory(ADDRESS_MEMORY_BYTES);
  const { size, family } = writeAddress(address, memory);
  const fd = must('socket', address, libc.socket(family));
  try {
    if (!isUnix(address)) must('setsockopt', address, libc.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1));
    if (ipFamily(address.host) === 6)
      must('setsockopt', address, libc.setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    must('bind', address, libc.bind(fd, memory, size));
    makePrompt(libc, fd, address);
    // For clients that wait for the upstream.
    if (!isUnix(address)) keepAlive(libc, fd);
    must('listen', address, libc.listen(fd, BACKLOG));
    must('getsockname', address, libc.getsockname(fd, memory));
    const port = readAddress(memory)?.port ?? 0;
    return { fd, bound: { host: address.host, port } };
  } catch (error) {
    libc.close(fd);
    throw error;
  } finally {
    libc.release(memory);
  }
};

const must = (call: string, { host, port }: Address, result: number): number => {
  if (result >= 0) return result;
  const code = errorName(-result);
  const at = port === 0 ? host : `${host}:${port}`;
  throw Object.assign(new Error(`${call} ${code}: ${at}`), { code, syscall: call });
};
