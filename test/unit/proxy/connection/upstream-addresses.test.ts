import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Candidate,
  createUpstreamAddresses,
  type UpstreamAddresses,
} from '../../../../src/proxy/connection/upstream-addresses.ts';
import { createCheckedLibc } from '../../../support/fake-kernel/checked-libc.ts';
import { FakeKernel } from '../../../support/fake-kernel/fake-libc.ts';

const PORT = 80;
const upstreamOf = (host: string) => {
  const sizes = { inBytes: 1, outBytes: 1, pipeBytes: 1, eighths: [] };
  const libc = createCheckedLibc(new FakeKernel(sizes, { route: () => 'deaf', onUpstream: () => {} }));
  const lookups = { count: 0 };
  const upstream = createUpstreamAddresses(
    { host, port: PORT },
    {
      create: (address) => ({ address, memory: libc.allocate(8) }),
      release: ({ memory }) => libc.release(memory),
    },
    () => {
      lookups.count += 1;
    },
  );
  return { libc, lookups, upstream };
};
const unexpectedWaiter = { onAddresses: () => assert.fail('called without having waited') };
const answer = (...hosts: readonly string[]) => ({
  ok: true as const,
  addresses: hosts.map((host) => ({ host, port: PORT })),
});
const hosts = (
  known: ReturnType<UpstreamAddresses<Candidate>['get']>,
): readonly string[] | string | undefined =>
  known && ('code' in known ? known.code : known.map(({ address }) => address.host));

test('an IP address is never looked up', () => {
  for (const [host, expected] of [
    ['127.0.0.1', ['127.0.0.1']],
    ['::1', ['::1']],
    ['localhost', ['127.0.0.1', '::1']],
  ] as const) {
    const { upstream, lookups } = upstreamOf(host);
    assert.deepEqual([hosts(upstream.get(0, unexpectedWaiter)), lookups.count], [expected, 0]);
  }
});

test('a name is looked up once, and all waiters are called', () => {
  const { upstream, lookups } = upstreamOf('a.name');
  const notified: string[] = [];
  for (const name of ['first', 'second'])
    assert.equal(upstream.get(1_000, { onAddresses: () => notified.push(name) }), undefined);
  assert.equal(lookups.count, 1);
  upstream.set(answer('10.0.0.1'), 1_010);
  assert.deepEqual(notified, ['first', 'second']);
  assert.deepEqual(hosts(upstream.get(1_020, unexpectedWaiter)), ['10.0.0.1']);
  assert.equal(lookups.count, 1);
});

test('the known addresses serve while the name is looked up again', () => {
  const { upstream, lookups } = upstreamOf('a.name');
  upstream.get(0, { onAddresses: () => {} });
  upstream.set(answer('10.0.0.1'), 0);
  assert.deepEqual(hosts(upstream.get(5_000, unexpectedWaiter)), ['10.0.0.1']);
  assert.equal(lookups.count, 1);
  for (const now of [5_001, 6_000])
    assert.deepEqual(hosts(upstream.get(now, unexpectedWaiter)), ['10.0.0.1'], `after ${now} ms`);
  assert.equal(lookups.count, 2);
  upstream.set(answer('10.0.0.2'), 6_000);
  assert.deepEqual(hosts(upstream.get(6_000, unexpectedWaiter)), ['10.0.0.2']);
});

test('a waiter for a name that cannot be found gets its error, and the next dial looks the name up again', () => {
  const { upstream, lookups } = upstreamOf('a.name');
  const notified: ReturnType<typeof hosts>[] = [];
  // The clock of the portable engine goes on while the waiters are called.
  const waiter = { onAddresses: () => notified.push(hosts(upstream.get(10.5, waiter))) };
  upstream.get(0, waiter);
  upstream.set({ ok: false, code: 'ENOTFOUND' }, 10);
  assert.deepEqual([notified, lookups.count], [['ENOTFOUND'], 1]);
  assert.equal(upstream.get(11, { onAddresses: () => {} }), undefined);
  assert.equal(lookups.count, 2);
  upstream.set(answer('10.0.0.1'), 20);
  assert.deepEqual(hosts(upstream.get(21, unexpectedWaiter)), ['10.0.0.1']);
});

test('the addresses of the last lookup that succeeded are kept while lookups fail', () => {
  const { upstream, lookups } = upstreamOf('a.name');
  upstream.get(0, { onAddresses: () => {} });
  upstream.set(answer('10.0.0.1'), 0);
  upstream.get(6_000, unexpectedWaiter);
  upstream.set({ ok: false, code: 'EAI_AGAIN' }, 6_000);
  assert.deepEqual(hosts(upstream.get(6_100, unexpectedWaiter)), ['10.0.0.1']);
  assert.equal(lookups.count, 2);
  assert.deepEqual(hosts(upstream.get(6_501, unexpectedWaiter)), ['10.0.0.1']);
  assert.equal(lookups.count, 3, 'a lookup that has failed is soon made again');
});

test('a name whose addresses do not answer is looked up again after 500 ms', () => {
  const { upstream, lookups } = upstreamOf('a.name');
  upstream.get(0, { onAddresses: () => {} });
  upstream.set(answer('10.0.0.1'), 0);
  upstream.onUnanswered();
  upstream.get(500, unexpectedWaiter);
  assert.equal(lookups.count, 1);
  upstream.get(501, unexpectedWaiter);
  assert.equal(lookups.count, 2);
});

test('a name with changing addresses does not leak memory', () => {
  const { libc, upstream } = upstreamOf('a.name');
  upstream.get(0, { onAddresses: () => {} });
  upstream.set(answer('10.0.0.1', '10.0.0.2'), 0);
  assert.equal(libc.memoryCount, 2);
  for (let n = 3; n < 100; n += 1) upstream.set(answer('10.0.0.2', `10.0.1.${n}`), n);
  assert.equal(libc.memoryCount, 2);
  libc.verify();
});
