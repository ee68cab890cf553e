import { constants } from 'node:os';
import { type Address, isUnixSocket } from '../../../src/lib/address.ts';
import {
  AF_UNIX,
  EPOLLHUP,
  EPOLLIN,
  type Libc,
  type Memory,
  SO_RCVLOWAT,
  SOL_SOCKET,
} from '../../../src/libc/libc.ts';
import { readAddress, writeAddress } from '../../../src/libc/sockaddr.ts';
import { ByteQueue } from './fake-bytes.ts';
import { FakeEpoll } from './fake-epoll.ts';
import { connectStreams, Stream } from './fake-stream.ts';

const { EAGAIN, EBADF, ECONNREFUSED, EINPROGRESS, EINVAL, ENETUNREACH, ENOENT, ENOTCONN } = constants.errno;

/**
 * The outcome of a connect. epoll reports `later` and `refused`. `deaf` never answers, and neither does `full` over TCP,
 * which is EAGAIN on a unix socket. The others are known at once.
 */
export type Route =
  | 'later'
  | 'at once'
  | 'refused'
  | 'refused at once'
  | 'unreachable'
  | 'deaf'
  | 'full'
  | 'itself';
/** The calls for which a test can set errors. */
export type Call =
  | 'accept'
  | 'socket'
  | 'connect'
  | 'receive'
  | 'send'
  | 'splice'
  | 'pipe'
  | 'setPipeSize'
  | 'epollAdd'
  | 'epollWait';

export interface Sizes {
  /** The sizes of the buffers of the engine's sockets, and of a pipe. */
  readonly inBytes: number;
  readonly outBytes: number;
  readonly pipeBytes: number;
  /** The share of the possible bytes that a read, a write or a splice moves, in eighths, one after the other; 0: all. */
  readonly eighths: readonly number[];
}

interface Hooks {
  route(to: Address): Route;
  /** Receives the upstream's side of a new connection. */
  onUpstream(far: Stream): void;
}

interface Socket {
  readonly kind: 'socket';
  readonly isUnix: boolean;
  bound: Address | undefined;
  queue: Stream[] | undefined;
  dropsSyns: boolean;
  stream: Stream | undefined;
  resetsOnClose: boolean;
  onWake: () => void;
}
interface PipeEnd {
  readonly kind: 'pipe';
  readonly pipe: { readonly bytes: ByteQueue; size: number };
}
type File = Socket | PipeEnd | FakeEpoll | { readonly kind: 'eventfd' };

/** The part of the kernel that the engine uses, with the errors that a test has set. No call waits. */
export class FakeKernel implements Libc {
  /** The time-out of the last epoll_wait(2). */
  timeoutMs = 0;
  /** The number of events of the last epoll_wait(2). */
  eventCount = 0;
  readonly faults = new Map<Call, number[]>();
  /** False: the kernel takes a filter of a socket and ignores it. */
  hasSocketFilters = true;
  readonly #sizes: Sizes;
  readonly #hooks: Hooks;
  readonly #files = new Map<number, File>();
  #nextAddress = 4_096;
  #eighthsIndex = 0;
  #lastPort = 32_768;
  /** The engine's sides of connections that are connecting or connected. */
  readonly #streams = new Set<Stream>();

  constructor(sizes: Sizes, hooks: Hooks) {
    this.#sizes = sizes;
    this.#hooks = hooks;
  }

  /**
   * Connects a client.
   * @param from has no meaning for a unix socket
   * @returns the client's side; undefined when nothing listens, or when the listener drops SYNs
   */
  dial(to: Address, from: Address): Stream | undefined {
    const listener = this.#listenerOf(to);
    if (!listener?.queue || listener.dropsSyns) return undefined;
    const far = new Stream({ local: from, remote: to }, listener.isUnix);
    this.#enqueue(listener, far);
    return far;
  }

  /** Delivers written bytes to the other sides, `maxBytes` of each stream at most, and answers connects. */
  deliver(maxBytes?: number): void {
    for (const stream of this.#streams) {
      if (stream.isConnecting) this.#answerConnect(stream);
      stream.deliver(maxBytes);
      stream.peer?.deliver(maxBytes);
      if (stream.isClosed && (stream.isDead || stream.isFinDelivered || !stream.peer))
        this.#streams.delete(stream);
    }
  }

  /** Wakes the n-th socket though its state has not changed. */
  raiseEvent(n: number): void {
    const sockets = [...this.#files.values()].filter((file) => file.kind === 'socket');
    sockets[n % Math.max(1, sockets.length)]?.onWake();
  }

  allocate(size: number): Memory {
    this.#nextAddress += 1 << 20;
    return { bytes: Buffer.from(new ArrayBuffer(size)), address: this.#nextAddress };
  }

  release(): void {}

  socket(family: number): number {
    const fault = this.#takeFault('socket');
    if (fault !== 0) return fault;
    return this.#add(newSocket(family === AF_UNIX));
  }

  bind(fd: number, address: Memory): number {
    const socket = this.#socket(fd);
    const bound = readSockaddr(address);
    socket.bound = bound.port === 0 && !isUnixSocket(bound) ? { ...bound, port: this.#nextPort() } : bound;
    return 0;
  }

  listen(fd: number): number {
    this.#socket(fd).queue = [];
    return 0;
  }

  accept(fd: number, address: Memory): number {
    const { queue, isUnix: isUnixSocket, resetsOnClose } = this.#socket(fd);
    if (!queue) return -EINVAL;
    const fault = this.#takeFault('accept');
    if (fault !== 0) return fault;
    const stream = queue.shift();
    if (!stream) return -EAGAIN;
    stream.isAccepted = true;
    if (isUnixSocket) address.bytes.writeUInt16LE(AF_UNIX, 0);
    else writeAddress(stream.remote, address);
    return this.#add(attachStream({ ...newSocket(isUnixSocket), resetsOnClose }, stream));
  }

  connect(fd: number, address: Memory): number {
    const socket = this.#socket(fd);
    const fault = this.#takeFault('connect');
    if (fault !== 0) return fault;
    const to = readSockaddr(address);
    const route = this.#hooks.route(to);
    if (route === 'refused at once') return -ECONNREFUSED;
    if (route === 'unreachable') return socket.isUnix ? -ENOENT : -ENETUNREACH;
    if (route === 'full' && socket.isUnix) return -EAGAIN;
    if (route === 'refused' && socket.isUnix) return -ECONNREFUSED;
    const port = route === 'itself' ? to.port : this.#nextPort();
    const stream = new Stream({ local: { host: to.host, port }, remote: to }, socket.isUnix);
    this.#setBufferSizes(stream);
    attachStream(socket, stream);
    this.#streams.add(stream);
    if (route === 'at once' || socket.isUnix) this.#answerConnect(stream);
    return stream.isConnecting ? -EINPROGRESS : 0;
  }

  getsockname(fd: number, address: Memory): number {
    const { isUnix: isUnixSocket, stream, bound } = this.#socket(fd);
    const name = stream?.local ?? bound;
    if (isUnixSocket || !name) address.bytes.writeUInt16LE(AF_UNIX, 0);
    else writeAddress(name, address);
    return 0;
  }

  setOption(fd: number, level: number, option: number, value: number): number {
    const { stream } = this.#socket(fd);
    if (level !== SOL_SOCKET || option !== SO_RCVLOWAT || !stream) return 0;
    stream.lowWatermarkBytes = value;
    if (stream.hasEnough) stream.onWake();
    return 0;
  }

  sendWithoutPacing(fd: number): number {
    this.#socket(fd);
    return 0;
  }

  socketError(fd: number): number {
    return this.#socket(fd).stream?.takeError() ?? 0;
  }

  dropSyns(fd: number): number {
    this.#socket(fd).dropsSyns = this.hasSocketFilters;
    return 0;
  }

  setResetOnClose(fd: number, isReset: boolean): number {
    const socket = this.#socket(fd);
    socket.resetsOnClose = isReset;
    if (socket.stream) socket.stream.resetsOnClose = isReset;
    return 0;
  }

  shutdown(fd: number): number {
    const { stream } = this.#socket(fd);
    if (!stream || stream.isDead || stream.isConnecting) return -ENOTCONN;
    stream.shutdown();
    return 0;
  }

  close(fd: number): number {
    const file = this.#files.get(fd);
    if (!file || !this.#files.delete(fd)) return -EBADF;
    for (const epoll of this.#files.values()) if (epoll.kind === 'epoll') epoll.delete(fd);
    if (file.kind !== 'socket') return 0;
    file.onWake = () => {};
    file.stream?.close();
    for (const waiting of file.queue ?? []) waiting.reset();
    return 0;
  }

  read(): number {
    return -EAGAIN;
  }

  receive(fd: number, into: Memory, size: number): number {
    const stream = this.#stream(fd);
    const fault = this.#takeFault('receive');
    if (fault !== 0) return fault;
    // After the end has arrived, a read takes all bytes before it.
    const available = stream.inbox.size;
    const partBytes = stream.hasEnded ? Math.min(size, available) : this.#partOf(size, available);
    const chunks = stream.read(partBytes);
    if (typeof chunks === 'number') return chunks;
    let offset = 0;
    for (const chunk of chunks) offset += chunk.copy(into.bytes, offset);
    // A short read means an empty socket, so the remaining bytes count as arriving now.
    if (offset === partBytes && offset < size && stream.inbox.size > 0) stream.onWake();
    return offset;
  }

  /** Ignores `hasMore`, which may only delay the bytes. */
  send(fd: number, from: Memory, offset: number, size: number): number {
    const stream = this.#stream(fd);
    const fault = this.#takeFault('send');
    if (fault !== 0) return fault;
    const room = stream.mayWrite(size);
    if (room <= 0) return room;
    const partBytes = this.#partOf(size, room);
    // After a short write epoll reports when there is room again.
    if (partBytes < size) stream.isWaitingForRoom = true;
    stream.write(Buffer.from(from.bytes.subarray(offset, offset + partBytes)));
    return partBytes;
  }

  splice(from: number, to: number, size: number): number {
    const source = this.#files.get(from);
    const sink = this.#files.get(to);
    const fault = this.#takeFault('splice');
    if (fault !== 0) return fault;
    if (sink?.kind === 'pipe') {
      const stream = this.#stream(from);
      const { bytes, size: pipeBytes } = sink.pipe;
      if (bytes.size >= pipeBytes) return -EAGAIN;
      const chunks = stream.read(
        this.#partOf(Math.min(size, pipeBytes - bytes.size), stream.inbox.size),
        true,
      );
      if (typeof chunks === 'number') return chunks;
      for (const chunk of chunks) bytes.push(chunk);
      return totalBytes(chunks);
    }
    if (source?.kind !== 'pipe') return -EINVAL;
    const { bytes } = source.pipe;
    if (bytes.size === 0) return -EAGAIN;
    const stream = this.#stream(to);
    const room = stream.mayWrite(Math.min(size, bytes.size));
    if (room <= 0) return room;
    const chunks = bytes.take(this.#partOf(room, room));
    for (const chunk of chunks) stream.write(chunk);
    return totalBytes(chunks);
  }

  unreadBytes(fd: number): number {
    return this.#stream(fd).inbox.size;
  }

  unsentBytes(fd: number): number {
    return this.#stream(fd).outbox.size;
  }

  pipe(fds: Memory): number {
    const fault = this.#takeFault('pipe');
    if (fault !== 0) return fault;
    const pipe = { bytes: new ByteQueue(), size: 65_536 };
    fds.bytes.writeInt32LE(this.#add({ kind: 'pipe', pipe }), 0);
    fds.bytes.writeInt32LE(this.#add({ kind: 'pipe', pipe }), 4);
    return 0;
  }

  setPipeSize(fd: number, size: number): number {
    const fault = this.#takeFault('setPipeSize');
    const file = this.#files.get(fd);
    if (file?.kind !== 'pipe') return -EBADF;
    if (fault !== 0) return fault;
    file.pipe.size = Math.min(size, this.#sizes.pipeBytes);
    return file.pipe.size;
  }

  epollCreate(): number {
    return this.#add(new FakeEpoll());
  }

  epollAdd(epollFd: number, fd: number, mask: number, generation: number): number {
    const epoll = this.#epoll(epollFd);
    const fault = this.#takeFault('epollAdd');
    if (fault !== 0) return fault;
    const socket = this.#socket(fd);
    socket.onWake = epoll.add({ fd, mask, generation, poll: () => this.#poll(socket) });
    return 0;
  }

  epollDelete(epollFd: number, fd: number): number {
    return this.#epoll(epollFd).delete(fd) ? 0 : -ENOENT;
  }

  epollWait(epollFd: number, events: Memory, maxEvents: number, timeoutMs: number): number {
    const epoll = this.#epoll(epollFd);
    this.timeoutMs = timeoutMs;
    this.eventCount = 0;
    const fault = this.#takeFault('epollWait');
    if (fault !== 0) return fault;
    this.eventCount = epoll.wait(new Int32Array(events.bytes.buffer), maxEvents);
    return this.eventCount;
  }

  eventfd(): number {
    return this.#add({ kind: 'eventfd' });
  }

  /** Takes the lowest free file descriptor, as open(2) does. */
  #add(file: File): number {
    let fd = 3;
    while (this.#files.has(fd)) fd += 1;
    this.#files.set(fd, file);
    return fd;
  }

  #nextPort(): number {
    this.#lastPort += 1;
    return this.#lastPort;
  }

  #takeFault(call: Call): number {
    return -(this.faults.get(call)?.shift() ?? 0);
  }

  #partOf(size: number, available: number): number {
    const list = this.#sizes.eighths;
    const eighths = list[this.#eighthsIndex] ?? 0;
    this.#eighthsIndex = (this.#eighthsIndex + 1) % Math.max(1, list.length);
    const all = Math.min(size, available);
    return eighths === 0 ? all : Math.max(Math.min(all, MIN_PART_BYTES), Math.ceil((all * eighths) / 8));
  }

  #poll({ queue, stream }: Socket): number {
    if (queue) return queue.length > 0 ? EPOLLIN : 0;
    return stream?.poll() ?? EPOLLHUP;
  }

  #setBufferSizes(stream: Stream): void {
    stream.inBytes = this.#sizes.inBytes;
    stream.outBytes = this.#sizes.outBytes;
  }

  #answerConnect(stream: Stream): void {
    const route = this.#hooks.route(stream.remote);
    if (route === 'deaf' || route === 'full') return;
    if (route === 'refused' || route === 'refused at once') return stream.refuse(ECONNREFUSED);
    if (route === 'unreachable') return stream.refuse(ENETUNREACH);
    const ownListener = this.#listenerOf(stream.remote);
    if (ownListener?.dropsSyns) return;
    const far = new Stream({ local: stream.remote, remote: stream.local }, stream.isUnix);
    const isSelfConnect = !stream.isUnix && stream.local.port === stream.remote.port;
    if (ownListener && !isSelfConnect) {
      this.#setBufferSizes(far);
      this.#streams.add(far);
      ownListener.queue?.push(far);
      ownListener.onWake();
    } else if (!isSelfConnect) this.#hooks.onUpstream(far);
    connectStreams(stream, far);
    stream.onWake();
  }

  #enqueue(listener: Socket, far: Stream): void {
    const near = new Stream({ local: far.remote, remote: far.local }, far.isUnix);
    this.#setBufferSizes(near);
    connectStreams(near, far);
    this.#streams.add(near);
    listener.queue?.push(near);
    listener.onWake();
  }

  #listenerOf({ host, port }: Address): Socket | undefined {
    for (const file of this.#files.values())
      if (file.kind === 'socket' && file.queue && file.bound?.port === port)
        if (file.bound.host === host || (port !== 0 && file.bound.host === '0.0.0.0')) return file;
    return undefined;
  }

  #socket(fd: number): Socket {
    const file = this.#files.get(fd);
    if (file?.kind !== 'socket') throw new Error(`${fd} is no socket`);
    return file;
  }

  #stream(fd: number): Stream {
    const { stream } = this.#socket(fd);
    if (!stream) throw new Error(`${fd} is not connected`);
    return stream;
  }

  #epoll(fd: number): FakeEpoll {
    const file = this.#files.get(fd);
    if (file?.kind !== 'epoll') throw new Error(`${fd} is no epoll`);
    return file;
  }
}

/** The smallest part that is moved, because smaller ones only make a test slower. */
const MIN_PART_BYTES = 500;

const newSocket = (isUnixSocket: boolean): Socket => ({
  kind: 'socket',
  isUnix: isUnixSocket,
  bound: undefined,
  queue: undefined,
  dropsSyns: false,
  stream: undefined,
  resetsOnClose: false,
  onWake: () => {},
});

const attachStream = (socket: Socket, stream: Stream): Socket => {
  socket.stream = stream;
  stream.resetsOnClose = socket.resetsOnClose;
  stream.onWake = () => socket.onWake();
  return socket;
};

const readSockaddr = (memory: Memory): Address => {
  const address = readAddress(memory);
  if (address) return address;
  const path = memory.bytes.subarray(2, memory.bytes.indexOf(0, 2));
  return { host: path.toString(), port: 0 };
};

const totalBytes = (chunks: readonly Buffer[]): number => chunks.reduce((sum, { length }) => sum + length, 0);
