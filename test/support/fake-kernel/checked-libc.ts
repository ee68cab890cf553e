import { ADDRESS_MEMORY_BYTES, EVENT_LAYOUT, type Libc, type Memory } from '../../../src/libc/libc.ts';

/** Finds each use of a file or of memory that would be a fault in the process, and throws with what was wrong. */
export interface CheckedLibc extends Libc {
  /** What is not closed, by number, with what it is. */
  readonly files: ReadonlyMap<number, string>;
  /** Not released. */
  readonly memories: number;
  /** The first fault, also when what was thrown did not come through; released memory that was written to. */
  verify(): void;
}

const POISON = 0xdd;
/** Between two waits of a loop: more is one that never gives way. */
const MOST_CALLS = 200_000;

/** @param libc the real one, or a fake */
export const createCheckedLibc = (libc: Libc): CheckedLibc => {
  const files = new Map<number, string>();
  const live = new Set<Memory>();
  const released = new Set<Memory>();
  let first: Error | undefined;

  const fail = (what: string): never => {
    const error = new Error(what);
    first ??= error;
    throw error;
  };
  const file = (call: string, fd: number, ...kinds: readonly string[]): number => {
    const kind = files.get(fd);
    if (kind === undefined) return fail(`${call}: file ${fd} is not open`);
    return kinds.includes(kind) ? fd : fail(`${call}: file ${fd} is of the kind ${kind}`);
  };
  /** In one turn of the loop. */
  let calls = 0;
  const countCall = (): void => {
    calls += 1;
    if (calls > MOST_CALLS) fail('the loop does not give way');
  };
  const opened = (fd: number, kind: string): number => {
    if (fd >= 0) files.set(fd, kind);
    return fd;
  };
  const room = (call: string, memory: Memory, offset: number, size: number): Memory => {
    if (released.has(memory)) return fail(`${call}: memory was released`);
    if (!live.has(memory)) return fail(`${call}: memory is of another libc`);
    const fits = Number.isInteger(offset) && Number.isInteger(size) && offset >= 0 && size >= 0;
    if (fits && offset + size <= memory.bytes.length) return memory;
    return fail(
      `${call}: ${size} bytes from ${offset} are not within the ${memory.bytes.length} of the memory`,
    );
  };
  const address = (call: string, memory: Memory, size = ADDRESS_MEMORY_BYTES): Memory =>
    room(call, memory, 0, size);

  return {
    files,
    get memories() {
      return live.size;
    },
    verify: () => {
      for (const { bytes } of released)
        if (bytes.some((byte) => byte !== POISON)) fail('memory was written to after its release');
      if (first) throw first;
    },
    allocate: (size) => {
      if (!Number.isInteger(size) || size <= 0) fail(`memory: ${size} bytes`);
      const memory = libc.allocate(size);
      live.add(memory);
      return memory;
    },
    release: (memory) => {
      room('release', memory, 0, 0);
      live.delete(memory);
      released.add(memory);
      memory.bytes.fill(POISON);
      libc.release(memory);
    },
    socket: (family) => opened(libc.socket(family), 'socket'),
    bind: (fd, at, size) => libc.bind(file('bind', fd, 'socket'), address('bind', at, size), size),
    listen: (fd, backlog) => libc.listen(file('listen', fd, 'socket'), backlog),
    accept: (fd, at) => opened(libc.accept(file('accept', fd, 'socket'), address('accept', at)), 'socket'),
    connect: (fd, at, size) =>
      libc.connect(file('connect', fd, 'socket'), address('connect', at, size), size),
    getsockname: (fd, at) => libc.getsockname(file('getsockname', fd, 'socket'), address('getsockname', at)),
    setOption: (fd, level, name, value) =>
      libc.setOption(file('setsockopt', fd, 'socket'), level, name, value),
    sendWithoutPacing: (fd) => libc.sendWithoutPacing(file('setsockopt', fd, 'socket')),
    socketError: (fd) => libc.socketError(file('getsockopt', fd, 'socket')),
    resetOnClose: (fd) => libc.resetOnClose(file('setsockopt', fd, 'socket')),
    shutdown: (fd) => libc.shutdown(file('shutdown', fd, 'socket')),
    close: (fd) => {
      if (!files.delete(fd)) fail(`close: file ${fd} is not open`);
      return libc.close(fd);
    },
    read: (fd, into, size) => {
      countCall();
      return libc.read(file('read', fd, 'eventfd'), room('read', into, 0, size), size);
    },
    receive: (fd, into, size) => {
      countCall();
      return libc.receive(file('recv', fd, 'socket'), room('recv', into, 0, size), size);
    },
    send: (fd, from, offset, size, hasMore) => {
      countCall();
      return libc.send(file('send', fd, 'socket'), room('send', from, offset, size), offset, size, hasMore);
    },
    splice: (from, to, size) => {
      countCall();
      const isIn = files.get(to) === 'pipe in';
      file('splice', from, isIn ? 'socket' : 'pipe out');
      file('splice', to, isIn ? 'pipe in' : 'socket');
      if (size <= 0) fail(`splice: ${size} bytes`);
      return libc.splice(from, to, size);
    },
    unreadBytes: (fd) => libc.unreadBytes(file('FIONREAD', fd, 'socket')),
    unsentBytes: (fd) => libc.unsentBytes(file('TIOCOUTQ', fd, 'socket')),
    pipe: (ends) => {
      const failed = libc.pipe(room('pipe', ends, 0, 8));
      if (failed >= 0) {
        opened(ends.bytes.readInt32LE(0), 'pipe out');
        opened(ends.bytes.readInt32LE(4), 'pipe in');
      }
      return failed;
    },
    setPipeSize: (fd, size) => libc.setPipeSize(file('F_SETPIPE_SZ', fd, 'pipe in', 'pipe out'), size),
    epollCreate: () => opened(libc.epollCreate(), 'epoll'),
    epollAdd: (epoll, fd, mask, turn) =>
      libc.epollAdd(
        file('epoll_ctl', epoll, 'epoll'),
        file('epoll_ctl', fd, 'socket', 'eventfd'),
        mask,
        turn,
      ),
    epollDelete: (epoll, fd) =>
      libc.epollDelete(file('epoll_ctl', epoll, 'epoll'), file('epoll_ctl', fd, 'socket', 'eventfd')),
    epollWait: (epoll, events, most, timeoutMs) => {
      calls = 0;
      const into = room('epoll_wait', events, 0, most * EVENT_LAYOUT.words * 4);
      return libc.epollWait(file('epoll_wait', epoll, 'epoll'), into, most, timeoutMs);
    },
    eventfd: () => opened(libc.eventfd(), 'eventfd'),
  };
};
