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

const { EADDRINUSE, EAGAIN, EBADF, EINPROGRESS, EINVAL, ENOENT, ENOTCONN, EPIPE, ECONNRESET } =
  constants.errno;
const skip = needs(process.platform === 'linux' ? undefined : 'needs Linux');

test('an error has the name by which others know it', () => {
  for (const name of ['EAGAIN', 'ECONNREFUSED', 'ECONNRESET', 'EMFILE', 'ENOENT', 'ENOTSUP'] as const)
    assert.equal(errorName(constants.errno[name]), name);
  assert.equal(errorName(4_711), 'E4711');
});

test('a failed call is a negative error, whichever call it is', { skip }, () => {
  const libc = loadLibc();
  const memory = libc.allocate(ADDRESS_MEMORY_BYTES);
  const none = 1_000_000_000;
  for (const [call, result] of Object.entries({
    bind: libc.bind(none, memory, 16),
    listen: libc.listen(none, 1),
    accept: libc.accept(none, memory),
    connect: libc.connect(none, memory, 16),
    getsockname: libc.getsockname(none, memory),
    setOption: libc.setOption(none, SOL_SOCKET, SO_KEEPALIVE, 1),
    resetOnClose: libc.resetOnClose(none),
    shutdown: libc.shutdown(none),
    close: libc.close(none),
    read: libc.read(none, memory, 1),
    receive: libc.receive(none, memory, 1),
    send: libc.send(none, memory, 0, 1, false),
    splice: libc.splice(none, none, 1),
    unread: libc.unreadBytes(none),
    unsent: libc.unsentBytes(none),
    setPipeSize: libc.setPipeSize(none, 4_096),
    epollAdd: libc.epollAdd(none, 0, EPOLLIN, 1),
    epollDelete: libc.epollDelete(none, 0),
    epollWait: libc.epollWait(none, memory, 1, 0),
  }))
    assert.equal(result, -EBADF, call);
  assert.equal(libc.socketError(none), EBADF);
  assert.equal(libc.socket(4_711), -constants.errno.EAFNOSUPPORT);
});

test('a connection from listen to its end, on real sockets', { skip }, (t) => {
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
  assert.equal(libc.epollWait(epoll, events, 8, 0), 0, 'an edge is told once');
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
  assert.equal(libc.resetOnClose(server), 0);
  assert.equal(libc.close(server), 0);
  assert.equal(libc.epollWait(epoll, events, 8, 10_000), 1);
  assert.equal(libc.socketError(client), ECONNRESET);
  assert.equal(libc.epollDelete(epoll, client), 0);
  assert.equal(libc.epollDelete(epoll, client), -ENOENT);
  assert.equal(libc.shutdown(client), -ENOTCONN);
});

test('bytes are spliced through a pipe, and a pipe has a size', { skip }, (t) => {
  const libc = openLibc(t);
  const ends = libc.allocate(8);
  assert.equal(libc.pipe(ends), 0);
  const [out, end] = [ends.bytes.readInt32LE(0), ends.bytes.readInt32LE(4)];
  assert.equal(libc.setPipeSize(end, 65_536), 65_536);
  assert.ok(libc.setPipeSize(end, 2 ** 31 - 1) < 0);
  const [near, far] = pair(libc);
  const memory = libc.allocate(5);
  memory.bytes.write('hello');
  assert.equal(libc.splice(near, end, 5), -EAGAIN);
  libc.send(far, memory, 0, 5, false);
  until(() => libc.unreadBytes(near) === 5);
  assert.equal(libc.splice(near, end, 65_536), 5);
  assert.equal(libc.splice(out, near, 5), 5);
  until(() => libc.unreadBytes(far) === 5);
  memory.bytes.fill(0);
  assert.equal(libc.receive(far, memory, 5), 5);
  assert.equal(memory.bytes.toString(), 'hello');
  assert.equal(libc.splice(out, near, 5), -EAGAIN);
});

test('an eventfd is told of by epoll', { skip }, (t) => {
  const libc = openLibc(t);
  const [wake, epoll] = [libc.eventfd(), libc.epollCreate()];
  const [counter, events] = [libc.allocate(8), libc.allocate(EVENT_LAYOUT.words * 4)];
  libc.epollAdd(epoll, wake, EPOLLIN, 1);
  assert.equal(libc.epollWait(epoll, events, 1, 0), 0);
  counter.bytes.writeBigUInt64LE(2n);
  writeSync(wake, counter.bytes);
  assert.equal(libc.epollWait(epoll, events, 1, 10_000), 1);
  counter.bytes.fill(0);
  assert.equal(libc.read(wake, counter, 8), 8);
  assert.equal(counter.bytes.readBigUInt64LE(), 2n);
});

test('a unix socket, and an address in use', { skip }, (t) => {
  const libc = openLibc(t);
  const path = join(tempFolder(), 's');
  const address = libc.allocate(ADDRESS_MEMORY_BYTES);
  const { size } = writeAddress({ host: path, port: 0 }, address);
  const [listener, client, second] = [libc.socket(AF_UNIX), libc.socket(AF_UNIX), libc.socket(AF_UNIX)];
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

/** What a test has opened is closed after it; a wrong use of memory or of a file fails it. */
const openLibc = (t: TestContext): CheckedLibc => {
  const libc = createCheckedLibc(loadLibc());
  t.after(() => {
    for (const fd of libc.files.keys()) libc.close(fd);
    libc.verify();
  });
  return libc;
};

/** The bound address is in `address` then. */
const listen = (
  libc: CheckedLibc,
  address: ReturnType<CheckedLibc['allocate']>,
): { readonly fd: number; readonly size: number } => {
  const { size, family } = writeAddress({ host: '127.0.0.1', port: 0 }, address);
  const fd = libc.socket(family);
  assert.equal(libc.bind(fd, address, size), 0);
  assert.equal(libc.listen(fd, 8), 0);
  assert.equal(libc.getsockname(fd, address), 0);
  return { fd, size };
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

/** The kernel does its part beside this thread, which need not give way for it. */
const until = (condition: () => boolean): void => {
  const giveUpAt = performance.now() + 30_000;
  while (!condition()) assert.ok(performance.now() < giveUpAt, 'never');
};
