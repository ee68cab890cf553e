import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Address,
  canonicalHost,
  expandLocalhost,
  formatAddress,
  ipFamily,
  isLoopback,
  parseAddress,
  parseHost,
  parsePort,
} from '../../../src/lib/address.ts';
import {
  formatListenSpec,
  type ListenSpec,
  listenerName,
  parseListenSpec,
} from '../../../src/lib/listen-spec.ts';

describe('a listen spec has one of five forms', () => {
  const table: readonly [text: string, listen: ListenSpec | undefined][] = [
    ['6274', { kind: 'auto', port: 6274 }],
    ['external:6274', { kind: 'external', port: 6274 }],
    ['127.0.0.1:6274', { kind: 'host', host: '127.0.0.1', port: 6274 }],
    ['[::1]:80', { kind: 'host', host: '::1', port: 80 }],
    ['[fe80::1%eth0]:80', { kind: 'host', host: 'fe80::1%eth0', port: 80 }],
    ['LocalHost:80', { kind: 'host', host: 'localhost', port: 80 }],
    ['example.com:80', undefined],
    ['0', undefined],
    ['65536', undefined],
    ['-1', undefined],
    ['6274 ', undefined],
    ['0x1882', undefined],
    ['::1:80', undefined],
    [':80', undefined],
    ['external', undefined],
    ['', undefined],
    ['unix:/run/app.sock', { kind: 'host', host: '/run/app.sock', port: 0 }],
    ['unix:/run/6274', undefined],
    ['unix:/run/my app.sock', undefined],
  ];
  for (const [text, listen] of table)
    test(`"${text}" is ${JSON.stringify(listen) ?? 'none'}`, () =>
      assert.deepEqual(parseListenSpec(text), listen));
});

describe('an address is HOST:PORT, [IPv6]:PORT or unix:PATH', () => {
  const table: readonly [text: string, address: Address | undefined][] = [
    ['localhost:1', { host: 'localhost', port: 1 }],
    ['Db-1.Internal:65535', { host: 'db-1.internal', port: 65_535 }],
    ['10.0.0.1:80', { host: '10.0.0.1', port: 80 }],
    ['[0:0::1]:80', { host: '::1', port: 80 }],
    ['[::FFFF:10.0.0.1]:80', { host: '10.0.0.1', port: 80 }],
    ['[10.0.0.1]:80', undefined],
    ['[localhost]:80', undefined],
    ['[::1]', undefined],
    ['[::1]80', undefined],
    ['::1', undefined],
    ['fe80::1%eth0:80', undefined],
    ['1.2.3:80', undefined],
    ['999.1.1.1:80', undefined],
    ['a..b:80', undefined],
    ['-a:80', undefined],
    ['a b:80', undefined],
    ['http://a:80', undefined],
    ['a:80/', undefined],
    ['a:http', undefined],
    [`${'a'.repeat(254)}:80`, undefined],
    ['unix:/run/app.sock', { host: '/run/app.sock', port: 0 }],
    ['unix:/run/my app: 1/ü', { host: '/run/my app: 1/ü', port: 0 }],
    [`unix:/${'a'.repeat(106)}`, { host: `/${'a'.repeat(106)}`, port: 0 }],
    [`unix:/${'a'.repeat(107)}`, undefined],
    [`unix:/${'ü'.repeat(54)}`, undefined],
    ['unix:', undefined],
    ['unix:/', undefined],
    ['unix:app.sock', undefined],
    ['unix:/run/', undefined],
    ['unix:/run//app.sock', undefined],
    ['unix:/run/../app.sock', undefined],
    ['unix:/run/./app.sock', undefined],
    ['unix:/run/app\0.sock', undefined],
    ['unix:/run/\x1b[2J/app.sock', undefined],
    ['unix:/run/\u202e/app.sock', undefined],
    ['/run/app.sock', undefined],
  ];
  for (const [text, address] of table)
    test(`"${text}" is ${JSON.stringify(address) ?? 'none'}`, () =>
      assert.deepEqual(parseAddress(text), address));
});

describe('an IP address has one spelling', () => {
  const table: readonly [typed: string, canonical: string][] = [
    ['0:0:0:0:0:0:0:1', '::1'],
    ['0:0::1', '::1'],
    ['2001:DB8:0:0:1::', '2001:db8:0:0:1::'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::ffff:a00:1', '10.0.0.1'],
    ['0:0:0:0:0:ffff:7f00:0001', '127.0.0.1'],
    ['::ffff:0.0.0.0', '0.0.0.0'],
    ['fe80:0::1%eth0', 'fe80::1%eth0'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['::', '::'],
    ['127.0.0.1', '127.0.0.1'],
    ['LOCALHOST', 'localhost'],
  ];
  for (const [typed, canonical] of table)
    test(`${typed} → ${canonical}`, () => assert.equal(canonicalHost(typed), canonical));
});

describe('loopback is localhost, 127.0.0.0/8 and ::1', () => {
  const table: Readonly<Record<string, boolean>> = {
    localhost: true,
    '127.0.0.1': true,
    '127.255.255.254': true,
    '::1': true,
    '126.0.0.1': false,
    '0.0.0.0': false,
    '::': false,
    'fe80::1%lo': false,
    '127.example.com': false,
  };
  for (const [host, expected] of Object.entries(table))
    test(`${host}: ${expected}`, () => assert.equal(isLoopback(host), expected));
});

test('a port is 1 to 65535 in plain digits', () => {
  const parsed = ['1', '65535', '0', '65536', '', ' 1', '1.0', '1e3', '+1', '123456'].map(parsePort);
  assert.deepEqual(parsed, [1, 65_535, ...Array.from({ length: 8 }, () => undefined)]);
});

test('localhost stands for both loopback addresses, any other host for itself', () => {
  assert.deepEqual(expandLocalhost('localhost'), ['127.0.0.1', '::1']);
  assert.deepEqual(expandLocalhost('db.internal'), ['db.internal']);
});

test('a listener is called by its port, or by the name of its socket file', () => {
  const names = ['6274', 'external:80', '[::1]:81', 'unix:/run/a/app.sock'].map((text) => {
    const parsed = parseListenSpec(text);
    return parsed && listenerName(parsed);
  });
  assert.deepEqual(names, ['6274', '80', '81', 'app.sock']);
});

const port = fc.integer({ min: 1, max: 65_535 });
const scope = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const linkLocal = fc.tuple(fc.ipV6(), scope).map(([host, name]) => `${host}%${name}`);
const host = fc.oneof(fc.ipV4(), fc.ipV6(), linkLocal, fc.domain(), fc.constant('localhost'));

test('an address that was written is read as the same address', () => {
  fc.assert(
    fc.property(host, port, (typed, number) => {
      const address = { host: canonicalHost(typed), port: number };
      assert.deepEqual(parseAddress(formatAddress(address)), address);
    }),
  );
});

test('a listen spec that was written is read as the same one', () => {
  const bindable = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('localhost')).map(canonicalHost);
  const listen = fc.oneof(
    fc.record(
      { kind: fc.constantFrom('auto' as const, 'external' as const), port },
      { noNullPrototype: true },
    ),
    fc.record({ kind: fc.constant('host' as const), host: bindable, port }, { noNullPrototype: true }),
  );
  fc.assert(fc.property(listen, (spec) => assert.deepEqual(parseListenSpec(formatListenSpec(spec)), spec)));
});

test('the canonical spelling of a host stays as it is, and keeps its family', () => {
  fc.assert(
    fc.property(host, (typed) => {
      const canonical = canonicalHost(typed);
      assert.equal(canonicalHost(canonical), canonical);
      assert.equal(parseHost(typed), canonical);
      assert.ok([ipFamily(typed), 4].includes(ipFamily(canonical)));
    }),
  );
});
