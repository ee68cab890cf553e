/**
 * The room libc: the Linux system calls that Node.js does not offer, through koffi, and the epoll loop, timers, socket
 * addresses and socket options that are built on them. This file is the only one that knows koffi.
 */

import { createRequire } from 'node:module';
import { constants } from 'node:os';

/**
 * Memory that the kernel reads and writes. Its address is valid only while `bytes` is referenced: after a garbage
 * collection the kernel would write into memory that belongs to something else. {@link Libc} therefore keeps a reference
 * until the memory is released.
 */
export interface Memory {
  readonly bytes: Buffer;
  readonly address: number;
}

/** The C library. A call that fails returns the negated errno(3), unless its comment says otherwise; it never throws. */
export interface Libc {
  allocate(size: number): Memory;
  /** Allows the memory to be collected; it must not be used any more. */
  release(memory: Memory): void;

  /** socket(2): a stream socket, non-blocking and close-on-exec. */
  socket(family: number): number;
  bind(fd: number, address: Memory, size: number): number;
  listen(fd: number, backlog: number): number;
  /** accept4(2), with the flags of {@link Libc.socket}. Writes the peer's address into `address`. */
  accept(fd: number, address: Memory): number;
  connect(fd: number, address: Memory, size: number): number;
  /** getsockname(2). Writes the socket's own address into `address`. */
  getsockname(fd: number, address: Memory): number;
  setOption(fd: number, level: number, option: number, value: number): number;
  /**
   * TCP_CONGESTION of tcp(7), set to "reno" before the socket connects. Every kernel has reno, and reno sends without
   * pauses.
   */
  sendWithoutPacing(fd: number): number;
  /** SO_ERROR of socket(7): why the socket failed, as a positive errno; 0 for no failure. The call clears the error. */
  socketError(fd: number): number;
  /**
   * SO_ATTACH_FILTER of socket(7), with {@link SYN_FILTER}: the kernel drops each SYN to a TCP listener (`tcp_filter` in
   * net/ipv4/tcp_ipv4.c). The clients in its queue stay there, and handshakes that have begun go on.
   */
  dropSyns(fd: number): number;
  /**
   * SO_LINGER of socket(7). With `true`, 0 s: close(2), and the kernel for a process that was killed, then send a reset and
   * drop unsent bytes. With `false`, the default of a socket: a FIN follows the bytes that were written. An accepted socket
   * inherits it from its listener.
   */
  setResetOnClose(fd: number, isReset: boolean): number;
  /** shutdown(2) of the sending half: a FIN follows the bytes that have been written. */
  shutdown(fd: number): number;
  close(fd: number): number;

  /** read(2) of an eventfd. */
  read(fd: number, into: Memory, size: number): number;
  /** recv(2) */
  receive(fd: number, into: Memory, size: number): number;
  /** send(2). @param hasMore sets MSG_MORE: the bytes go out together with the FIN or with the next send */
  send(fd: number, from: Memory, offset: number, size: number, hasMore: boolean): number;
  /** splice(2) without waiting. One of the two files must be a pipe. */
  splice(from: number, to: number, size: number): number;
  /** SIOCINQ of tcp(7): the bytes that have arrived and are not read yet. */
  unreadBytes(fd: number): number;
  /** SIOCOUTQ of tcp(7): the bytes that were written and are not acknowledged yet. */
  unsentBytes(fd: number): number;
  /** pipe2(2), non-blocking. Writes the reading end and then the writing end into `fds`, 4 bytes each. */
  pipe(fds: Memory): number;
  /** F_SETPIPE_SZ of fcntl(2). @returns the size that the pipe has now, in bytes */
  setPipeSize(fd: number, size: number): number;

  epollCreate(): number;
  /** EPOLL_CTL_ADD of epoll_ctl(2). Each event carries `fd` and `generation`. */
  epollAdd(epollFd: number, fd: number, mask: number, generation: number): number;
  epollDelete(epollFd: number, fd: number): number;
  /**
   * epoll_wait(2). Writes the events into `events`, each in the form of {@link EVENT_LAYOUT}.
   * @param timeoutMs negative: no time-out
   * @returns the number of events
   */
  epollWait(epollFd: number, events: Memory, maxEvents: number, timeoutMs: number): number;
  eventfd(): number;
}

/** struct epoll_event in 4-byte words. It is packed on x86-64 only (include/uapi/linux/eventpoll.h). */
export const EVENT_LAYOUT =
  process.arch === 'x64' ? { words: 3, fd: 1, generation: 2 } : { words: 4, fd: 2, generation: 3 };

/** epoll_ctl(2). */
export const EPOLLIN = 0x1;
export const EPOLLPRI = 0x2;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = -0x80000000;

/** address_families(7). */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Levels and options of socket(7), tcp(7) and ipv6(7). */
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_KEEPALIVE = 9;
export const SO_RCVLOWAT = 18;
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = 26;

/**
 * The memory of an address: room for sockaddr_un of unix(7), the longest one, and behind it the length argument of
 * getsockname(2) and accept(2).
 */
const SOCKADDR_BYTES = 128;
const ADDRESS_LENGTH_OFFSET = SOCKADDR_BYTES;
export const ADDRESS_MEMORY_BYTES = SOCKADDR_BYTES + 4;

const { errno } = constants;
export const { EAGAIN, ECONNABORTED, EINPROGRESS, EINTR, ENOBUFS, ENOMEM } = errno;

/** SOCK_NONBLOCK and SOCK_CLOEXEC of socket(2). The flags of pipe2(2) and eventfd(2) have the same bits. */
const SOCK_FLAGS = 0x80800;
const CLOSE_ON_EXEC = 0x80000;
const SOCK_STREAM = 1;
const SO_LINGER = 13;
const SO_ERROR = 4;
const SO_ATTACH_FILTER = 26;
const TCP_CONGESTION = 13;
const RENO = Buffer.from('reno');
/**
 * A program of struct sock_filter (include/uapi/linux/filter.h), 8 bytes an instruction. It keeps every TCP segment but those
 * with the flag SYN, which is bit 1 of the header's byte 13 (RFC 9293, section 3.1).
 */
const SYN_FILTER = Buffer.from(
  [
    '300000000d000000', // load byte 13
    '4500000102000000', // without bit 1: skip the next instruction
    '0600000000000000', // keep 0 bytes
    '06000000ffffffff', // keep all bytes
  ].join(''),
  'hex',
);
const SHUT_WR = 1;
const MSG_MORE = 0x8000;
/** SPLICE_F_MOVE and SPLICE_F_NONBLOCK. */
const SPLICE_FLAGS = 0x3;
const FIONREAD = 0x541b;
const TIOCOUTQ = 0x5411;
const F_SETPIPE_SZ = 1031;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;

/** The constants above have these values on these architectures only. */
const ARCHITECTURES = ['x64', 'arm64'];

/**
 * The C library of this process, through koffi.
 * @throws Error on another system than Linux, and on an architecture that koffi or {@link ARCHITECTURES} does not know
 */
export const loadLibc = (): Libc => {
  if (process.platform !== 'linux')
    throw new Error(`epoll and splice exist on Linux only, not on ${process.platform}`);
  if (!ARCHITECTURES.includes(process.arch)) throw new Error(`not supported on ${process.arch}`);
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  // Node.js has loaded a C library already, glibc or musl.
  const libc = koffi.load(null);
  const withErrno = (result: number): number => (result < 0 ? -koffi.errno() : result);

  const allocated = new Set<Memory>();
  const allocate = (size: number): Memory => {
    const bytes = Buffer.from(new ArrayBuffer(size));
    // An address is below 2^47 on these architectures. A plain number costs less than a BigInt at each call.
    const memory = { bytes, address: Number(koffi.address(bytes)) };
    allocated.add(memory);
    return memory;
  };
  const word = allocate(8);
  const event = allocate(EVENT_LAYOUT.words * 4);
  const linger = allocate(8);
  const reno = allocate(RENO.length);
  reno.bytes.set(RENO);
  const filter = allocate(SYN_FILTER.length);
  filter.bytes.set(SYN_FILTER);
  // struct sock_fprog: the number of instructions, and their address.
  const filterProgram = allocate(16);
  filterProgram.bytes.writeUInt16LE(SYN_FILTER.length / 8, 0);
  filterProgram.bytes.writeBigUInt64LE(BigInt(filter.address), 8);
  const eventWords = new Int32Array(event.bytes.buffer);

  const native = {
    socket: libc.func('int socket(int, int, int)'),
    bind: libc.func('int bind(int, uintptr_t, uint)'),
    listen: libc.func('int listen(int, int)'),
    accept4: libc.func('int accept4(int, uintptr_t, uintptr_t, int)'),
    connect: libc.func('int connect(int, uintptr_t, uint)'),
    getsockname: libc.func('int getsockname(int, uintptr_t, uintptr_t)'),
    setsockopt: libc.func('int setsockopt(int, int, int, uintptr_t, uint)'),
    getsockopt: libc.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)'),
    shutdown: libc.func('int shutdown(int, int)'),
    close: libc.func('int close(int)'),
    read: libc.func('int read(int, uintptr_t, uint)'),
    recv: libc.func('int recv(int, uintptr_t, size_t, int)'),
    send: libc.func('int send(int, uintptr_t, size_t, int)'),
    splice: libc.func('int splice(int, uintptr_t, int, uintptr_t, uint, uint)'),
    ioctl: libc.func('int ioctl(int, ulong, uintptr_t)'),
    pipe2: libc.func('int pipe2(uintptr_t, int)'),
    fcntl: libc.func('int fcntl(int, int, int)'),
    epollCreate1: libc.func('int epoll_create1(int)'),
    epollCtl: libc.func('int epoll_ctl(int, int, int, uintptr_t)'),
    epollWait: libc.func('int epoll_wait(int, uintptr_t, int, int)'),
    eventfd: libc.func('int eventfd(uint, int)'),
  };

  const prepareAddressLength = (address: Memory): number => {
    address.bytes.writeInt32LE(SOCKADDR_BYTES, ADDRESS_LENGTH_OFFSET);
    return address.address + ADDRESS_LENGTH_OFFSET;
  };
  const ioctlInteger = (fd: number, request: number): number => {
    const result = withErrno(native.ioctl(fd, request, word.address));
    return result < 0 ? result : word.bytes.readInt32LE();
  };

  return {
    allocate,
    release: (memory) => allocated.delete(memory),
    socket: (family) => withErrno(native.socket(family, SOCK_STREAM | SOCK_FLAGS, 0)),
    bind: (fd, address, size) => withErrno(native.bind(fd, address.address, size)),
    listen: (fd, backlog) => withErrno(native.listen(fd, backlog)),
    accept: (fd, address) =>
      withErrno(native.accept4(fd, address.address, prepareAddressLength(address), SOCK_FLAGS)),
    connect: (fd, address, size) => withErrno(native.connect(fd, address.address, size)),
    getsockname: (fd, address) =>
      withErrno(native.getsockname(fd, address.address, prepareAddressLength(address))),
    setOption: (fd, level, option, value) => {
      word.bytes.writeInt32LE(value);
      return withErrno(native.setsockopt(fd, level, option, word.address, 4));
    },
    sendWithoutPacing: (fd) =>
      withErrno(native.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, reno.address, RENO.length)),
    socketError: (fd) => {
      word.bytes.writeInt32LE(4, 4);
      const result = withErrno(native.getsockopt(fd, SOL_SOCKET, SO_ERROR, word.address, word.address + 4));
      return result < 0 ? -result : word.bytes.readInt32LE();
    },
    dropSyns: (fd) =>
      withErrno(native.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, filterProgram.address, 16)),
    setResetOnClose: (fd, isReset) => {
      linger.bytes.writeInt32LE(isReset ? 1 : 0, 0);
      return withErrno(native.setsockopt(fd, SOL_SOCKET, SO_LINGER, linger.address, 8));
    },
    shutdown: (fd) => withErrno(native.shutdown(fd, SHUT_WR)),
    close: (fd) => withErrno(native.close(fd)),
    read: (fd, into, size) => withErrno(native.read(fd, into.address, size)),
    receive: (fd, into, size) => withErrno(native.recv(fd, into.address, size, 0)),
    send: (fd, from, offset, size, hasMore) =>
      withErrno(native.send(fd, from.address + offset, size, hasMore ? MSG_MORE : 0)),
    splice: (from, to, size) => withErrno(native.splice(from, 0, to, 0, size, SPLICE_FLAGS)),
    unreadBytes: (fd) => ioctlInteger(fd, FIONREAD),
    unsentBytes: (fd) => ioctlInteger(fd, TIOCOUTQ),
    pipe: (fds) => withErrno(native.pipe2(fds.address, SOCK_FLAGS)),
    setPipeSize: (fd, size) => withErrno(native.fcntl(fd, F_SETPIPE_SZ, size)),
    epollCreate: () => withErrno(native.epollCreate1(CLOSE_ON_EXEC)),
    epollAdd: (epollFd, fd, mask, generation) => {
      eventWords[0] = mask;
      eventWords[EVENT_LAYOUT.fd] = fd;
      eventWords[EVENT_LAYOUT.generation] = generation;
      return withErrno(native.epollCtl(epollFd, EPOLL_CTL_ADD, fd, event.address));
    },
    epollDelete: (epollFd, fd) => withErrno(native.epollCtl(epollFd, EPOLL_CTL_DEL, fd, 0)),
    epollWait: (epollFd, into, maxEvents, timeoutMs) =>
      withErrno(native.epollWait(epollFd, into.address, maxEvents, timeoutMs)),
    eventfd: () => withErrno(native.eventfd(0, SOCK_FLAGS)),
  };
};
