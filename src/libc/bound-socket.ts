import type { Address } from '../lib/address.ts';
import { ADDRESS_MEMORY_BYTES, type Libc } from './libc.ts';
import { readAddress, writeAddress } from './sockaddr.ts';
import { throwOnError } from './socket-options.ts';

/**
 * Opens a stream socket that has a local port already and is not connected yet. While it is open no other socket can have that
 * port of `host`: it lacks SO_REUSEADDR, which both would need (inet_bind_conflict() in net/ipv4/inet_connection_sock.c of
 * Linux). Node.js gives a socket its port only together with connect(2), and sets SO_REUSEADDR on it (uv__tcp_bind() of libuv).
 * @param host an IP address of this machine
 * @param port 0: one that the system chooses
 * @returns the file descriptor, and the address with the port
 * @throws Error with the system's code
 */
export const openBoundSocket = (
  libc: Libc,
  host: string,
  port: number,
): { readonly fd: number; readonly bound: Address } => {
  const address = { host, port };
  const memory = libc.allocate(ADDRESS_MEMORY_BYTES);
  const { size, family } = writeAddress(address, memory);
  let fd = -1;
  try {
    fd = throwOnError('socket', address, libc.socket(family));
    throwOnError('bind', address, libc.bind(fd, memory, size));
    throwOnError('getsockname', address, libc.getsockname(fd, memory));
    return { fd, bound: { host, port: readAddress(memory)?.port ?? 0 } };
  } catch (error) {
    if (fd >= 0) libc.close(fd);
    throw error;
  } finally {
    libc.release(memory);
  }
};
