import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAllowList } from '../../../src/proxy/allow-list.ts';

const OWN = ['127.0.0.1', '::1', '192.0.2.7', '2001:db8::7', 'fe80::7%eth0'];

const TABLE: readonly [entries: readonly string[], inside: readonly string[], outside: readonly string[]][] =
  [
    [[], [], ['127.0.0.1', '::1', '10.0.0.1', '192.0.2.7']],
    [
      ['loopback'],
      ['127.0.0.1', '127.9.9.9', '::1', '0:0::1', '::ffff:127.0.0.1', ...OWN],
      ['10.0.0.1', '192.0.2.8', '::ffff:192.0.2.8', '::2', 'fe80::8%eth0', '128.0.0.1'],
    ],
    [
      ['private'],
      [
        '10.255.0.1',
        '172.16.0.1',
        '172.31.255.255',
        '192.168.1.1',
        '::ffff:192.168.1.1',
        '169.254.3.4',
      ].concat(['fc00::1', 'fdff::1', 'fe80::1', 'fe80::1%eth0', 'febf::1%2']),
      ['11.0.0.1', '172.15.0.1', '172.32.0.1', '192.169.0.1', '127.0.0.1', '192.0.2.7', 'fe00::1', 'fec0::1'],
    ],
    [['any'], ['8.8.8.8', '2001:4860::8888', '::1', '::ffff:8.8.8.8', 'fe80::1%eth0'], []],
    [
      ['198.51.100.0/24', '203.0.113.7', '2001:db8:1::/48', '2001:db8:2::2'],
      ['198.51.100.1', '::ffff:198.51.100.255', '203.0.113.7', '2001:db8:1:2::3', '2001:db8:2::2'],
      ['198.51.101.1', '203.0.113.8', '2001:db8:3::1', '2001:db8:2::3', '127.0.0.1'],
    ],
  ];

for (const [entries, inside, outside] of TABLE)
  test(`allow ${JSON.stringify(entries)} allows the hosts that it names, however the address is spelled`, () => {
    const isAllowed = createAllowList(entries, () => OWN);
    assert.deepEqual(
      [...inside, ...outside].filter((host) => isAllowed(host)),
      inside,
    );
  });
