import { ADDRESS_MEMORY_BYTES, EVENT_LAYOUT, type Libc, type Memory } from '../../../src/libc/libc.ts';

/** A {@link Libc} that throws at every use of a file or of memory that would be a fault in a real process. */
export interface CheckedLibc extends Libc {
  /** The kinds of the open files, by file descriptor. */
  readonly files: ReadonlyMap<number, string>;
  /** The number of memories that are not released. */
  readonly memoryCount: number;
  /** Throws the first fault, even if its exception was caught, and when released memory was written to. */
  verify(): void;
}

const POISON = 0xdd;
/** A loop that makes more calls between two waits never gives way. */
const MAX_CALLS_PER_TURN = 200_000;

/** @param libc the real one, or a fake */
export const createCheckedLibc = (libc: Libc): CheckedLibc => {
  const files = new Map<number, string>();
  const live = new Set<Memory>();
  const released = new Set<Memory>();
  let firstFault: Error | undefined;

  const fail = (message: string): never => {
    const error = new Error(message);
    firstFault ??= error;
    throw error;
  };
  const checkFile = (call: string, fd: number, ...kinds: readonly string[]): number => {
    const kind = files.get(fd);
    if (kind === undefined) return fail(`${call}: file ${fd} is not open`);
    return kinds.includes(kind) ? fd : fail(`${call}: file ${fd} is of the kind ${kind}`);
  };
  let callsInTurn = 0;
  const countCall = (): void => {
    callsInTurn += 1;
    if (callsInTurn > MAX_CALLS_PER_TURN) fail('the loop does not give way');
  };
  const addFile = (fd: number, kind: string): number => {
    if (fd >= 0) files.set(fd, kind);
    return fd;
  };
  const checkMemory = (call: string, memory: Memory, offset: number, size: number): Memory => {
    if (released.has(memory)) return fail(`${call}: memory was released`);
    if (!live.has(memory)) return fail(`${call}: memory is of another libc`);
    const fits = Number.isInteger(offset) && Number.isInteger(size) && offset >= 0 && size >= 0;
    if (fits && offset + size <= memory.bytes.length) return memory;
    return fail(
      `${call}: ${size} bytes from ${offset} are not within the ${memory.bytes.length} of the memory`,
    );
  };
  const checkAddress = (call: string, memory: Memory, size = ADDRESS_MEMORY_BYTES): Memory =>
    checkMemory(call, memory, 0, size);

  return {
    files,
    get memoryCount() {
      return live.size;
    },
    verify: () => {
      for (const { bytes } of released)
        if (bytes.some((byte) => byte !== POISON)) fail('memory was written to after its release');
      if (firstFault) throw firstFault;
    },
    allocate: (size) => {
      if (!Number.isInteger(size) || size <= 0) fail(`memory: ${size} bytes`);
      const memory = libc.allocate(size);
      live.add(memory);
      return memory;
    },
    release: (memory) => {
      checkMemory('release', memory, 0, 0);
      live.delete(memory);
      released.add(memory);
      memory.bytes.fill(POISON);
      libc.release(memory);
    },
    socket: (family) => addFile(libc.socket(family), 'socket'),
    bind: (fd, memory, size) =>
      libc.bind(checkFile('bind', fd, 'socket'), checkAddress('bind', memory, size), size),
    listen: (fd, backlog) => libc.listen(checkFile('listen', fd, 'socket'), backlog),
    accept: (fd, memory) =>
      addFile(libc.accept(checkFile('accept', fd, 'socket'), checkAddress('accept', memory)), 'socket'),
    connect: (fd, memory, size) =>
      libc.connect(checkFile('connect', fd, 'socket'), checkAddress('connect', memory, size), size),
    getsockname: (fd, memory) =>
      libc.getsockname(checkFile('getsockname', fd, 'socket'), checkAddress('getsockname', memory)),
    setOption: (fd, level, option, value) =>
      libc.setOption(checkFile('setsockopt', fd, 'socket'), level, option, value),
    sendWithoutPacing: (fd) => libc.sendWithoutPacing(checkFile('setsockopt', fd, 'socket')),
    socketError: (fd) => libc.socketError(checkFile('getsockopt', fd, 'socket')),
    dropSyns: (fd) => libc.dropSyns(checkFile('setsockopt', fd, 'socket')),
    setResetOnClose: (fd, isReset) => libc.setResetOnClose(checkFile('setsockopt', fd, 'socket'), isReset),
    shutdown: (fd) => libc.shutdown(checkFile('shutdown', fd, 'socket')),
    close: (fd) => {
      if (!files.delete(fd)) fail(`close: file ${fd} is not open`);
      return libc.close(fd);
    },
    read: (fd, into, size) => {
      countCall();
      return libc.read(checkFile('read', fd, 'eventfd'), checkMemory('read', into, 0, size), size);
    },
    receive: (fd, into, size) => {
      countCall();
      return libc.receive(checkFile('recv', fd, 'socket'), checkMemory('recv', into, 0, size), size);
    },
    send: (fd, from, offset, size, hasMore) => {
      countCall();
      return libc.send(
        checkFile('send', fd, 'socket'),
        checkMemory('send', from, offset, size),
        offset,
        size,
        hasMore,
      );
    },
    splice: (from, to, size) => {
      countCall();
      const isIn = files.get(to) === 'pipe in';
      checkFile('splice', from, isIn ? 'socket' : 'pipe out');
      checkFile('splice', to, isIn ? 'pipe in' : 'socket');
      if (size <= 0) fail(`splice: ${size} bytes`);
      return libc.splice(from, to, size);
    },
    unreadBytes: (fd) => libc.unreadBytes(checkFile('FIONREAD', fd, 'socket')),
    unsentBytes: (fd) => libc.unsentBytes(checkFile('TIOCOUTQ', fd, 'socket')),
    pipe: (fds) => {
      const result = libc.pipe(checkMemory('pipe', fds, 0, 8));
      if (result >= 0) {
        addFile(fds.bytes.readInt32LE(0), 'pipe out');
        addFile(fds.bytes.readInt32LE(4), 'pipe in');
      }
      return result;
    },
    setPipeSize: (fd, size) => libc.setPipeSize(checkFile('F_SETPIPE_SZ', fd, 'pipe in', 'pipe out'), size),
    epollCreate: () => addFile(libc.epollCreate(), 'epoll'),
    epollAdd: (epollFd, fd, mask, generation) =>
      libc.epollAdd(
        checkFile('epoll_ctl', epollFd, 'epoll'),
        checkFile('epoll_ctl', fd, 'socket', 'eventfd'),
        mask,
        generation,
      ),
    epollDelete: (epollFd, fd) =>
      libc.epollDelete(
        checkFile('epoll_ctl', epollFd, 'epoll'),
        checkFile('epoll_ctl', fd, 'socket', 'eventfd'),
      ),
    epollWait: (epollFd, events, maxEvents, timeoutMs) => {
      callsInTurn = 0;
      const into = checkMemory('epoll_wait', events, 0, maxEvents * EVENT_LAYOUT.words * 4);
      return libc.epollWait(checkFile('epoll_wait', epollFd, 'epoll'), into, maxEvents, timeoutMs);
    },
    eventfd: () => addFile(libc.eventfd(), 'eventfd'),
  };
};
