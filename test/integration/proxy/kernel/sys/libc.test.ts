import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { errorName } from '../../../../../src/libc/errno.ts';
import {
  ADDRESS_MEMORY_BYTES,
  AF_INET,
  AF_UNIX,
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  EVENT_LAYOUT,
  IPPROTO_TCP,
  loadLibc,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_NODELAY,
} from '../../../../../src/libc/libc.ts';
import { readAddress, writeAddress } from '../../../../../src/libc/sockaddr.ts';
import { type CheckedLibc, createCheckedLibc } from '../../../../support/fake-kernel/checked-libc.ts';
import { needs } from '../../../../support/requirements.ts';
import { tempFolder } from '../../../../support/temp-dir.ts';

const { EADDRINUSE, EAGAIN, EBADF, EINPROGRESS, EINVAL, ENOENT, ENOTCONN, EPIPE, ECONNREFUSED, ECONNRESET } =
  constants.errno;
const skip = needs(process.platform === 'linux' ? undefined : 'needs Linux');

test('an errno has its usual name', () => {
  for (const name of ['EAGAIN', 'ECONNREFUSED', 'ECONNRESET', 'EMFILE', 'ENOENT', 'ENOTSUP'] as const)
    assert.equal(errorName(constants.errno[name]), name);
  assert.equal(errorName(4_711), 'E4711');
});

test('every call that fails returns the negated errno', { skip }, () => {
  const libc = loadLibc();
  const memory = libc.allocate(ADDRESS_MEMORY_BYTES);
  const unusedFd = 1_000_000_000;
  for (const [call, result] of Object.entries({
    bind: libc.bind(unusedFd, memory, 16),
    listen: libc.listen(unusedFd, 1),
    accept: libc.accept(unusedFd, memory),
    connect: libc.connect(unusedFd, memory, 16),
    getsockname: libc.getsockname(unusedFd, memory),
    setOption: libc.setOption(unusedFd, SOL_SOCKET, SO_KEEPALIVE, 1),
    dropSyns: libc.dropSyns(unusedFd),
    setResetOnClose: libc.setResetOnClose(unusedFd, true),
    shutdown: libc.shutdown(unusedFd),
    close: libc.close(unusedFd),
    read: libc.read(unusedFd, memory, 1),
    receive: libc.receive(unusedFd, memory, 1),
    send: libc.send(unusedFd, memory, 0, 1, false),
    splice: libc.splice(unusedFd, unusedFd, 1),
    unread: libc.unreadBytes(unusedFd),
    unsent: libc.unsentBytes(unusedFd),
    setPipeSize: libc.setPipeSize(unusedFd, 4_096),
    epollAdd: libc.epollAdd(unusedFd, 0, EPOLLIN, 1),
    epollDelete: libc.epollDelete(unusedFd, 0),
    epollWait: libc.epollWait(unusedFd, memory, 1, 0),
  }))
    assert.equal(result, -EBADF, call);
  assert.equal(libc.socketError(unusedFd), EBADF);
  assert.equal(libc.socket(4_711), -constants.errno.EAFNOSUPPORT);
});

test('a connection from listen to its end on real sockets', { skip }, (t) => {
  const libc = openLibc(t);
  const address = libc.allocate(ADDRESS_MEMORY_BYTES);
  const { fd: listener, size } = listen(libc, address);
  const bound = readAddress(address);
  assert.ok(bound && bound.port > 0);
  assert.equal(libc.accept(listener, libc.allocate(ADDRESS_MEMORY_BYTES)), -EAGAIN);

  const client = libc.socket(AF_INET);
  assert.equal(libc.setOption(client, IPPROTO_TCP, TCP_NODELAY, 1), 0);
  assert.equal(libc.connect(client, address, size), -EINPROGRESS);
  const epoll = libc.epollCreate();
  const events = libc.allocate(8 * EVENT_LAYOUT.words * 4);
  const words = new Int32Array(events.bytes.buffer);
  assert.equal(libc.epollAdd(epoll, client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 4_711), 0);
  assert.equal(libc.epollWait(epoll, events, 8, 10_000), 1);
  assert.deepEqual(
    [words[0], words[EVENT_LAYOUT.fd], words[EVENT_LAYOUT.generation]],
    [EPOLLOUT, client, 4_711],
  );
  assert.equal(libc.epollWait(epoll, events, 8, 0), 0, 'an edge is reported once');
  assert.equal(libc.socketError(client), 0);

  const peer = libc.allocate(ADDRESS_MEMORY_BYTES);
  const server = libc.accept(listener, peer);
  assert.ok(server >= 0);
  assert.equal(libc.getsockname(client, address), 0);
  assert.deepEqual(readAddress(peer), readAddress(address));

  const memory = libc.allocate(16);
  assert.equal(libc.receive(server, memory, 16), -EAGAIN);
  memory.bytes.write('0123456789');
  assert.equal(libc.send(client, memory, 3, 5, false), 5);
  until(() => libc.unreadBytes(server) === 5);
  until(() => libc.unsentBytes(client) === 0);
  memory.bytes.fill(0);
  assert.equal(libc.receive(server, memory, 16), 5);
  assert.equal(memory.bytes.toString('latin1', 0, 6), '34567\0');

  assert.equal(libc.send(client, memory, 0, 2, true), 2);
  assert.equal(libc.shutdown(client), 0);
  until(() => libc.unreadBytes(server) === 2);
  assert.equal(libc.receive(server, memory, 16), 2);
  until(() => libc.receive(server, memory, 1) === 0);
  assert.equal(libc.send(client, memory, 0, 1, false), -EPIPE);
  assert.equal(libc.setResetOnClose(server, true), 0);
  assert.equal(libc.close(server), 0);
  assert.equal(libc.epollWait(epoll, events, 8, 10_000), 1);
  assert.equal(libc.socketError(client), ECONNRESET);
  assert.equal(libc.epollDelete(epoll, client), 0);
  assert.equal(libc.epollDelete(epoll, client), -ENOENT);
  assert.equal(libc.shutdown(client), -ENOTCONN);
});

for (const host of ['127.0.0.1', '::1'])
  test(`a listener on ${host} that drops SYNs keeps its queue, and a later client is refused after its close`, {
    skip,
  }, (t) => {
    const libc = openLibc(t);
    const address = libc.allocate(ADDRESS_MEMORY_BYTES);
    const { fd: listener, size, family } = listen(libc, address, host);
    const [early, late] = [libc.socket(family), libc.socket(family)];
    const epoll = libc.epollCreate();
    const events = libc.allocate(EVENT_LAYOUT.words * 4);
    libc.connect(early, address, size);
    libc.epollAdd(epoll, early, EPOLLOUT, 1);
    assert.equal(libc.epollWait(epoll, events, 1, 10_000), 1);
    libc.epollDelete(epoll, early);

    assert.equal(libc.dropSyns(listener), 0);
    assert.equal(libc.connect(late, address, size), -EINPROGRESS);
    const peer = libc.allocate(ADDRESS_MEMORY_BYTES);
    const accepted = libc.accept(listener, peer);
    assert.ok(accepted >= 0);
    assert.equal(libc.accept(listener, peer), -EAGAIN);
    const memory = libc.allocate(1);
    assert.equal(libc.send(early, memory, 0, 1, false), 1);
    until(() => libc.receive(accepted, memory, 1) === 1);

    libc.epollAdd(epoll, late, EPOLLOUT, 2);
    assert.equal(libc.epollWait(epoll, events, 1, 0), 0);
    libc.close(listener);
    assert.equal(libc.epollWait(epoll, events, 1, 60_000), 1, 'the SYN is sent again');
    assert.equal(libc.socketError(late), ECONNREFUSED);
  });

test('bytes are spliced through a pipe, and a pipe has a size', { skip }, (t) => {
  const libc = openLibc(t);
  const ends = libc.allocate(8);
  assert.equal(libc.pipe(ends), 0);
  const readFd = ends.bytes.readInt32LE(0);
  const writeFd = ends.bytes.readInt32LE(4);
  assert.equal(libc.setPipeSize(writeFd, 65_536), 65_536);
  assert.ok(libc.setPipeSize(writeFd, 2 ** 31 - 1) < 0);
  const [near, far] = pair(libc);
  const memory = libc.allocate(5);
  memory.bytes.write('hello');
  assert.equal(libc.splice(near, writeFd, 5), -EAGAIN);
  libc.send(far, memory, 0, 5, false);
  until(() => libc.unreadBytes(near) === 5);
  assert.equal(libc.splice(near, writeFd, 65_536), 5);
  assert.equal(libc.splice(readFd, near, 5), 5);
  until(() => libc.unreadBytes(far) === 5);
  memory.bytes.fill(0);
  assert.equal(libc.receive(far, memory, 5), 5);
  assert.equal(memory.bytes.toString(), 'hello');
  assert.equal(libc.splice(readFd, near, 5), -EAGAIN);
});

test('epoll reports an eventfd', { skip }, (t) => {
  const libc = openLibc(t);
  const wake = libc.eventfd();
  const epoll = libc.epollCreate();
  const counter = libc.allocate(8);
  const events = libc.allocate(EVENT_LAYOUT.words * 4);
  libc.epollAdd(epoll, wake, EPOLLIN, 1);
  assert.equal(libc.epollWait(epoll, events, 1, 0), 0);
  counter.bytes.writeBigUInt64LE(2n);
  writeSync(wake, counter.bytes);
  assert.equal(libc.epollWait(epoll, events, 1, 10_000), 1);
  counter.bytes.fill(0);
  assert.equal(libc.read(wake, counter, 8), 8);
  assert.equal(counter.bytes.readBigUInt64LE(), 2n);
});

test('a unix socket, and an address that is in use', { skip }, (t) => {
  const libc = openLibc(t);
  const path = join(tempFolder(), 's');
  const address = libc.allocate(ADDRESS_MEMORY_BYTES);
  const { size } = writeAddress({ host: path, port: 0 }, address);
  const listener = libc.socket(AF_UNIX);
  const client = libc.socket(AF_UNIX);
  const second = libc.socket(AF_UNIX);
  assert.equal(libc.connect(client, address, size), -ENOENT);
  assert.equal(libc.bind(listener, address, size), 0);
  assert.equal(libc.bind(second, address, size), -EADDRINUSE);
  assert.equal(libc.accept(listener, libc.allocate(ADDRESS_MEMORY_BYTES)), -EINVAL);
  assert.equal(libc.listen(listener, 1), 0);
  assert.equal(libc.connect(client, address, size), 0);
  const peer = libc.allocate(ADDRESS_MEMORY_BYTES);
  assert.ok(libc.accept(listener, peer) >= 0);
  assert.equal(readAddress(peer), undefined);
});

/** A checked libc: its files are closed after the test, and a wrong use of memory or of a file fails the test. */
const openLibc = (t: TestContext): CheckedLibc => {
  const libc = createCheckedLibc(loadLibc());
  t.after(() => {
    for (const fd of libc.files.keys()) libc.close(fd);
    libc.verify();
  });
  return libc;
};

/** Listens on a free port. Writes the bound address into `address`. */
const listen = (
  libc: CheckedLibc,
  address: ReturnType<CheckedLibc['allocate']>,
  host = '127.0.0.1',
): { readonly fd: number; readonly size: number; readonly family: number } => {
  const { size, family } = writeAddress({ host, port: 0 }, address);
  const fd = libc.socket(family);
  assert.equal(libc.bind(fd, address, size), 0);
  assert.equal(libc.listen(fd, 8), 0);
  assert.equal(libc.getsockname(fd, address), 0);
  return { fd, size, family };
};

const pair = (libc: CheckedLibc): readonly [number, number] => {
  const address = libc.allocate(ADDRESS_MEMORY_BYTES);
  const { fd, size } = listen(libc, address);
  const client = libc.socket(AF_INET);
  libc.connect(client, address, size);
  let server = -1;
  until(() => {
    server = libc.accept(fd, address);
    return server >= 0;
  });
  return [server, client];
};

/** Polls without a pause: the kernel works beside this thread. */
const until = (condition: () => boolean): void => {
  const giveUpAt = performance.now() + 30_000;
  while (!condition()) assert.ok(performance.now() < giveUpAt, 'the condition was not met within 30 s');
};
