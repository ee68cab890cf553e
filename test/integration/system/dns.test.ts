import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { resolveAddress } from '../../../src/system/dns.ts';

describe('what needs no name server is resolved without one', () => {
  const table: Readonly<Record<string, readonly string[]>> = {
    localhost: ['127.0.0.1', '::1'],
    '192.0.2.1': ['192.0.2.1'],
    '2001:db8::1': ['2001:db8::1'],
    'fe80::1%eth0': ['fe80::1%eth0'],
  };
  for (const [host, hosts] of Object.entries(table))
    test(`${host} is ${hosts.join(' and ')}`, async () =>
      assert.deepEqual(await resolveAddress({ host, port: 80 }, 0), {
        ok: true,
        addresses: hosts.map((address) => ({ host: address, port: 80 })),
      }));
});

test('a name that cannot be resolved is a code, not an exception', async () => {
  const resolved = await resolveAddress({ host: `${'a'.repeat(64)}.invalid`, port: 80 }, 0);
  assert.equal(resolved.ok, false);
  assert.match(resolved.ok ? '' : resolved.code, /^E/);
});
