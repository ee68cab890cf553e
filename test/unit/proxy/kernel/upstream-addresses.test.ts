import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createUpstreamAddresses,
  type UpstreamAddresses,
} from '../../../../src/proxy/kernel/upstream-addresses.ts';
import { createCheckedLibc } from '../../../support/fake-kernel/checked-libc.ts';
import { FakeKernel } from '../../../support/fake-kernel/fake-libc.ts';

const PORT = 80;
const named = (host: string) => {
  const sizes = { inBytes: 1, outBytes: 1, pipeBytes: 1, dice: [] };
  const libc = createCheckedLibc(new FakeKernel(sizes, { route: () => 'deaf', onUpstream: () => {} }));
  const asked = { times: 0 };
  const targets = createUpstreamAddresses({ host, port: PORT }, libc, () => {
    asked.times += 1;
  });
  return { libc, asked, targets };
};
const nobody = { onAddresses: () => assert.fail('told without having waited') };
const answer = (...hosts: readonly string[]) => ({
  ok: true as const,
  addresses: hosts.map((host) => ({ host, port: PORT })),
});
const hosts = (known: ReturnType<UpstreamAddresses['get']>): readonly string[] | string | undefined =>
  known && ('code' in known ? known.code : known.map(({ address }) => address.host));

test('an address is its own target and is never looked up', () => {
  for (const [host, expected] of [
    ['127.0.0.1', ['127.0.0.1']],
    ['::1', ['::1']],
    ['localhost', ['127.0.0.1', '::1']],
  ] as const) {
    const { targets, asked } = named(host);
    assert.deepEqual([hosts(targets.get(0, nobody)), asked.times], [expected, 0]);
  }
});

test('a name is asked for once, and all who wait are told', () => {
  const { targets, asked } = named('a.name');
  const told: string[] = [];
  for (const one of ['first', 'second'])
    assert.equal(targets.get(1_000, { onAddresses: () => told.push(one) }), undefined);
  assert.equal(asked.times, 1);
  targets.set(answer('10.0.0.1'), 1_010);
  assert.deepEqual(told, ['first', 'second']);
  assert.deepEqual(hosts(targets.get(1_020, nobody)), ['10.0.0.1']);
  assert.equal(asked.times, 1);
});

test('what was known serves while the name is asked for again', () => {
  const { targets, asked } = named('a.name');
  targets.get(0, { onAddresses: () => {} });
  targets.set(answer('10.0.0.1'), 0);
  assert.deepEqual(hosts(targets.get(5_000, nobody)), ['10.0.0.1']);
  assert.equal(asked.times, 1);
  for (const atMs of [5_001, 6_000])
    assert.deepEqual(hosts(targets.get(atMs, nobody)), ['10.0.0.1'], `after ${atMs} ms`);
  assert.equal(asked.times, 2);
  targets.set(answer('10.0.0.2'), 6_000);
  assert.deepEqual(hosts(targets.get(6_000, nobody)), ['10.0.0.2']);
});

test('who waits for a name that cannot be found is told so, and the next one has it asked for again', () => {
  const { targets, asked } = named('a.name');
  const told: ReturnType<typeof hosts>[] = [];
  const waiter = { onAddresses: () => told.push(hosts(targets.get(10, waiter))) };
  targets.get(0, waiter);
  targets.set({ ok: false, code: 'ENOTFOUND' }, 10);
  assert.deepEqual([told, asked.times], [['ENOTFOUND'], 1]);
  assert.equal(targets.get(11, { onAddresses: () => {} }), undefined);
  assert.equal(asked.times, 2);
  targets.set(answer('10.0.0.1'), 20);
  assert.deepEqual(hosts(targets.get(21, nobody)), ['10.0.0.1']);
});

test('a name that goes from address to address costs no more memory', () => {
  const { libc, targets } = named('a.name');
  targets.get(0, { onAddresses: () => {} });
  targets.set(answer('10.0.0.1', '10.0.0.2'), 0);
  assert.equal(libc.memories, 2);
  for (let n = 3; n < 100; n += 1) targets.set(answer('10.0.0.2', `10.0.1.${n}`), n);
  assert.equal(libc.memories, 2);
  libc.verify();
});
