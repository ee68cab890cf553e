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
import { join, Stream } from './fake-stream.ts';

const { EAGAIN, EBADF, ECONNREFUSED, EINPROGRESS, EINVAL, ENETUNREACH, ENOENT, ENOTCONN } = constants.errno;

/** What becomes of a connect: `later` and `refused` are told by epoll, `deaf` never is, the others are known at once. */
export type Route =
  | 'later'
  | 'at once'
  | 'refused'
  | 'refused at once'
  | 'unreachable'
  | 'deaf'
  | 'full'
  | 'itself';
/** A call that can be made to fail. */
export type Call = 'accept' | 'socket' | 'connect' | 'pipe' | 'setPipeSize' | 'epollAdd' | 'epollWait';

export interface Sizes {
  /** Of the buffers of the engine's sockets, and of a pipe. */
  readonly inBytes: number;
  readonly outBytes: number;
  readonly pipeBytes: number;
  /** How much of what could be read, written or spliced is: eighths, in turn; 0 is all of it. */
  readonly dice: readonly number[];
}

interface Hooks {
  route(to: Address): Route;
  /** The far end of a connection to the upstream. */
  onUpstream(far: Stream): void;
}

interface Socket {
  readonly kind: 'socket';
  readonly isUnix: boolean;
  bound: Address | undefined;
  queue: Stream[] | undefined;
  stream: Stream | undefined;
  onWake: () => void;
}
interface PipeEnd {
  readonly kind: 'pipe';
  readonly pipe: { readonly bytes: ByteQueue; size: number };
}
type File = Socket | PipeEnd | FakeEpoll | { readonly kind: 'eventfd' };

/** A kernel with what the engine uses of it, and with the faults that it is told to have. Nothing in it waits. */
export class FakeKernel implements Libc {
  /** Of the last epoll_wait. */
  timeoutMs = 0;
  /** Of the last epoll_wait: how many events. */
  told = 0;
  readonly faults = new Map<Call, number[]>();
  readonly #sizes: Sizes;
  readonly #hooks: Hooks;
  readonly #files = new Map<number, File>();
  #memory = 4_096;
  #die = 0;
  #port = 32_768;
  /** Those of the engine's ends that are connecting or connected. */
  readonly #streams = new Set<Stream>();

  constructor(sizes: Sizes, hooks: Hooks) {
    this.#sizes = sizes;
    this.#hooks = hooks;
  }

  /** A client's end; undefined when nobody listens. @param from without a meaning for a unix socket */
  dial(to: Address, from: Address): Stream | undefined {
    const listener = this.#listenerOf(to);
    if (!listener?.queue) return undefined;
    const far = new Stream({ local: from, remote: to }, listener.isUnix);
    this.#enqueue(listener, far);
    return far;
  }

  /** Brings what was written to the other ends, `most` bytes of each, and answers connects. */
  flow(most?: number): void {
    for (const stream of this.#streams) {
      if (stream.isConnecting) this.#answer(stream);
      stream.flow(most);
      stream.peer?.flow(most);
      if (stream.isClosed && (stream.isDead || stream.isFinDelivered || !stream.peer))
        this.#streams.delete(stream);
    }
  }

  /** An event that tells nothing new. */
  wakeUp(n: number): void {
    const sockets = [...this.#files.values()].filter((file) => file.kind === 'socket');
    sockets[n % Math.max(1, sockets.length)]?.onWake();
  }

  allocate(size: number): Memory {
    this.#memory += 1 << 20;
    return { bytes: Buffer.from(new ArrayBuffer(size)), address: this.#memory };
  }

  release(): void {}

  socket(family: number): number {
    const failed = this.#fault('socket');
    if (failed !== 0) return failed;
    return this.#add(newSocket(family === AF_UNIX));
  }

  bind(fd: number, address: Memory): number {
    const socket = this.#socket(fd);
    const bound = addressIn(address);
    socket.bound = bound.port === 0 && !isUnixSocket(bound) ? { ...bound, port: this.#nextPort() } : bound;
    return 0;
  }

  listen(fd: number): number {
    this.#socket(fd).queue = [];
    return 0;
  }

  accept(fd: number, address: Memory): number {
    const { queue, isUnix: isUnixSocket } = this.#socket(fd);
    if (!queue) return -EINVAL;
    const failed = this.#fault('accept');
    if (failed !== 0) return failed;
    const stream = queue.shift();
    if (!stream) return -EAGAIN;
    stream.isAccepted = true;
    if (isUnixSocket) address.bytes.writeUInt16LE(AF_UNIX, 0);
    else writeAddress(stream.remote, address);
    return this.#add(connected(newSocket(isUnixSocket), stream));
  }

  connect(fd: number, address: Memory): number {
    const socket = this.#socket(fd);
    const failed = this.#fault('connect');
    if (failed !== 0) return failed;
    const to = addressIn(address);
    const route = this.#hooks.route(to);
    if (route === 'refused at once') return -ECONNREFUSED;
    if (route === 'unreachable') return socket.isUnix ? -ENOENT : -ENETUNREACH;
    if (route === 'full' && socket.isUnix) return -EAGAIN;
    if (route === 'refused' && socket.isUnix) return -ECONNREFUSED;
    const port = route === 'itself' ? to.port : this.#nextPort();
    const stream = new Stream({ local: { host: to.host, port }, remote: to }, socket.isUnix);
    this.#size(stream);
    connected(socket, stream);
    this.#streams.add(stream);
    if (route === 'at once' || socket.isUnix) this.#answer(stream);
    return stream.isConnecting ? -EINPROGRESS : 0;
  }

  getsockname(fd: number, address: Memory): number {
    const { isUnix: isUnixSocket, stream, bound } = this.#socket(fd);
    const name = stream?.local ?? bound;
    if (isUnixSocket || !name) address.bytes.writeUInt16LE(AF_UNIX, 0);
    else writeAddress(name, address);
    return 0;
  }

  setOption(fd: number, level: number, name: number, value: number): number {
    const { stream } = this.#socket(fd);
    if (level !== SOL_SOCKET || name !== SO_RCVLOWAT || !stream) return 0;
    stream.lowBytes = value;
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

  resetOnClose(fd: number): number {
    const { stream } = this.#socket(fd);
    if (stream) stream.lingersNot = true;
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
    // Once the end has come, a read takes all that came before it.
    const most = stream.isOver ? Math.min(size, stream.inbox.size) : this.#part(size, stream.inbox.size);
    const chunks = stream.read(most);
    if (typeof chunks === 'number') return chunks;
    let at = 0;
    for (const chunk of chunks) at += chunk.copy(into.bytes, at);
    // A short read has taken everything: what was left comes just now.
    if (at === most && at < size && stream.inbox.size > 0) stream.onWake();
    return at;
  }

  /** `hasMore` may delay what is sent, and does no more. */
  send(fd: number, from: Memory, offset: number, size: number): number {
    const stream = this.#stream(fd);
    const room = stream.mayWrite(size);
    if (room <= 0) return room;
    const most = this.#part(size, room);
    // A short write is one that epoll tells the end of.
    if (most < size) stream.wantsRoom = true;
    stream.write(Buffer.from(from.bytes.subarray(offset, offset + most)));
    return most;
  }

  splice(from: number, to: number, size: number): number {
    const [source, sink] = [this.#files.get(from), this.#files.get(to)];
    if (sink?.kind === 'pipe') {
      const stream = this.#stream(from);
      const { bytes, size: most } = sink.pipe;
      if (bytes.size >= most) return -EAGAIN;
      const chunks = stream.read(this.#part(Math.min(size, most - bytes.size), stream.inbox.size), true);
      if (typeof chunks === 'number') return chunks;
      for (const chunk of chunks) bytes.push(chunk);
      return total(chunks);
    }
    if (source?.kind !== 'pipe') return -EINVAL;
    const { bytes } = source.pipe;
    if (bytes.size === 0) return -EAGAIN;
    const stream = this.#stream(to);
    const room = stream.mayWrite(Math.min(size, bytes.size));
    if (room <= 0) return room;
    const chunks = bytes.take(this.#part(room, room));
    for (const chunk of chunks) stream.write(chunk);
    return total(chunks);
  }

  unreadBytes(fd: number): number {
    return this.#stream(fd).inbox.size;
  }

  unsentBytes(fd: number): number {
    return this.#stream(fd).outbox.size;
  }

  pipe(ends: Memory): number {
    const failed = this.#fault('pipe');
    if (failed !== 0) return failed;
    const pipe = { bytes: new ByteQueue(), size: 65_536 };
    ends.bytes.writeInt32LE(this.#add({ kind: 'pipe', pipe }), 0);
    ends.bytes.writeInt32LE(this.#add({ kind: 'pipe', pipe }), 4);
    return 0;
  }

  setPipeSize(fd: number, size: number): number {
    const failed = this.#fault('setPipeSize');
    const file = this.#files.get(fd);
    if (file?.kind !== 'pipe') return -EBADF;
    if (failed !== 0) return failed;
    file.pipe.size = Math.min(size, this.#sizes.pipeBytes);
    return file.pipe.size;
  }

  epollCreate(): number {
    return this.#add(new FakeEpoll());
  }

  epollAdd(epoll: number, fd: number, mask: number, turn: number): number {
    const [file, failed] = [this.#epoll(epoll), this.#fault('epollAdd')];
    if (failed !== 0) return failed;
    const socket = this.#socket(fd);
    socket.onWake = file.add({ fd, mask, turn, poll: () => this.#poll(socket) });
    return 0;
  }

  epollDelete(epoll: number, fd: number): number {
    return this.#epoll(epoll).delete(fd) ? 0 : -ENOENT;
  }

  epollWait(epoll: number, events: Memory, most: number, timeoutMs: number): number {
    const file = this.#epoll(epoll);
    this.timeoutMs = timeoutMs;
    this.told = 0;
    const failed = this.#fault('epollWait');
    if (failed !== 0) return failed;
    this.told = file.wait(new Int32Array(events.bytes.buffer), most);
    return this.told;
  }

  eventfd(): number {
    return this.#add({ kind: 'eventfd' });
  }

  /** The lowest free number, as open(2) has it. */
  #add(file: File): number {
    let fd = 3;
    while (this.#files.has(fd)) fd += 1;
    this.#files.set(fd, file);
    return fd;
  }

  #nextPort(): number {
    this.#port += 1;
    return this.#port;
  }

  #fault(call: Call): number {
    return -(this.faults.get(call)?.shift() ?? 0);
  }

  #part(size: number, there: number): number {
    const { dice } = this.#sizes;
    const eighths = dice[this.#die] ?? 0;
    this.#die = (this.#die + 1) % Math.max(1, dice.length);
    const all = Math.min(size, there);
    return eighths === 0 ? all : Math.max(Math.min(all, LEAST_PART), Math.ceil((all * eighths) / 8));
  }

  #poll({ queue, stream }: Socket): number {
    if (queue) return queue.length > 0 ? EPOLLIN : 0;
    return stream?.poll() ?? EPOLLHUP;
  }

  #size(stream: Stream): void {
    stream.inBytes = this.#sizes.inBytes;
    stream.outBytes = this.#sizes.outBytes;
  }

  #answer(stream: Stream): void {
    const route = this.#hooks.route(stream.remote);
    if (route === 'deaf' || route === 'full') return;
    if (route === 'refused' || route === 'refused at once') return stream.refuse(ECONNREFUSED);
    if (route === 'unreachable') return stream.refuse(ENETUNREACH);
    const own = this.#listenerOf(stream.remote);
    const far = new Stream({ local: stream.remote, remote: stream.local }, stream.isUnix);
    const isItself = !stream.isUnix && stream.local.port === stream.remote.port;
    if (own && !isItself) {
      this.#size(far);
      this.#streams.add(far);
      own.queue?.push(far);
      own.onWake();
    } else if (!isItself) this.#hooks.onUpstream(far);
    join(stream, far);
    stream.onWake();
  }

  #enqueue(listener: Socket, far: Stream): void {
    const near = new Stream({ local: far.remote, remote: far.local }, far.isUnix);
    this.#size(near);
    join(near, far);
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

/** Smaller parts only take longer. */
const LEAST_PART = 500;

const newSocket = (isUnixSocket: boolean): Socket => ({
  kind: 'socket',
  isUnix: isUnixSocket,
  bound: undefined,
  queue: undefined,
  stream: undefined,
  onWake: () => {},
});

const connected = (socket: Socket, stream: Stream): Socket => {
  socket.stream = stream;
  stream.onWake = () => socket.onWake();
  return socket;
};

const addressIn = (memory: Memory): Address => {
  const address = readAddress(memory);
  if (address) return address;
  const path = memory.bytes.subarray(2, memory.bytes.indexOf(0, 2));
  return { host: path.toString(), port: 0 };
};

const total = (chunks: readonly Buffer[]): number => chunks.reduce((sum, { length }) => sum + length, 0);
