import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, type TestContext, test } from 'node:test';
import { formatPortOwner, ownerOf } from '../../../src/system/proc/port-owner.ts';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { findListeners } from '../../../src/system/proc/socket-table.ts';
import { readUnsentBytes } from '../../../src/system/proc/tcp-queue.ts';
import { needs } from '../../support/requirements.ts';

const skip = needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)');
const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);

const listen = async (t: TestContext, host: string): Promise<number> => {
  const server = createServer((socket) => socket.on('error', () => {}));
  await once(server.listen({ host, port: 0 }), 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
};

test('the command line of an owner forges no line of a log and reaches no terminal as a command', () => {
  const uid = process.getuid?.() ?? 0;
  const owner = { pid: 7, uid, command: 'nc\n[2026-11-30 12:00:00] All is well \x1b[2J\u202e' };
  assert.equal(
    formatPortOwner(owner),
    'pid 7 (nc\\u000a[2026-11-30 12:00:00] All is well \\u001b[2J\\u202e)',
  );
  assert.equal(formatPortOwner({ ...owner, command: 'x'.repeat(10_000) }), `pid 7 (${'x'.repeat(199)}…)`);
});

describe('a listening socket is found with its address and its owner', { skip }, () => {
  const table: readonly [bound: string, found: string][] = [
    ['127.0.0.1', '127.0.0.1'],
    ['127.1.2.3', '127.1.2.3'],
    ['0.0.0.0', '0.0.0.0'],
    ['::1', '::1'],
    ['::', '::'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
  ];
  for (const [bound, found] of table)
    test(bound, { skip: needs(bound.includes(':') && !hasIpv6 ? 'needs IPv6' : undefined) }, async (t) => {
      const port = await listen(t, bound);
      const listeners = findListeners(port);
      assert.deepEqual(
        listeners?.map(({ host, port: at, uid }) => ({ host, port: at, uid })),
        [{ host: found, port, uid: process.getuid?.() }],
      );
      const [listener] = listeners;
      assert.ok(listener);
      const { pid, command, uid } = ownerOf(listener);
      assert.deepEqual([pid, uid], [process.pid, process.getuid?.()]);
      assert.match(command ?? '', /socket-table\.test/);
    });

  test('and not the connections to it', async (t) => {
    const port = await listen(t, '127.0.0.1');
    const client = connect(port, '127.0.0.1');
    await once(client, 'connect');
    assert.equal(findListeners(port)?.length, 1);
    client.destroy();
  });

  test('and it is gone when it is closed', async () => {
    const server = createServer();
    await once(server.listen({ host: '127.0.0.1', port: 0 }), 'listening');
    const { port } = server.address() as AddressInfo;
    await once(server.close(), 'close');
    assert.deepEqual(findListeners(port), []);
  });

  test('a socket whose process cannot be found has its user at least', () => {
    const listener = { uid: 12_345, inode: -1 };
    assert.deepEqual(ownerOf(listener), { pid: null, command: null, uid: 12_345 });
  });

  test('with the connections that have not been accepted yet', async (t) => {
    const port = await listen(t, '127.0.0.1');
    assert.equal(findListeners(port)?.[0]?.backlog, 0);
  });
});

describe('what the kernel has not sent yet is known', { skip }, () => {
  const ends = ({ localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 }: Socket) =>
    readUnsentBytes({ host: localAddress, port: localPort }, { host: remoteAddress, port: remotePort });

  for (const host of ['127.0.0.1', '::1'])
    test(host, { skip: needs(host === '::1' && !hasIpv6 ? 'needs IPv6' : undefined) }, async (t) => {
      const server = createServer({ pauseOnConnect: true }, (socket) => t.after(() => socket.destroy()));
      await once(server.listen({ host, port: 0 }), 'listening');
      t.after(() => server.close());
      const client = connect((server.address() as AddressInfo).port, host);
      t.after(() => client.destroy());
      await once(client, 'connect');
      assert.deepEqual(await Promise.all([ends(client), ends(client), ends(client)]), [0, 0, 0]);
      client.write(Buffer.alloc(20_000_000));
      while (((await ends(client)) ?? 0) === 0);
      client.resetAndDestroy();
      await once(client, 'close');
      assert.equal(await readUnsentBytes({ host, port: 1 }, { host, port: 2 }), undefined);
    });
});
