import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { MAX_SOCKET_PATH_BYTES } from '../../../../../src/lib/address.ts';
import {
  ADDRESS_MEMORY_BYTES,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  type Memory,
} from '../../../../../src/libc/libc.ts';
import { readAddress, writeAddress } from '../../../../../src/libc/sockaddr.ts';

/** Memory that was used before: every byte is set. */
const usedMemory = (): Memory => ({ bytes: Buffer.alloc(ADDRESS_MEMORY_BYTES, 0xff), address: 0 });
const hex = ({ bytes }: Memory, size: number): string => bytes.subarray(0, size).toString('hex');
/** sa_family_t has the byte order of the machine, which is little-endian on x64 and arm64. */
const V4 = '0200';
const V6 = '0a00';

test('IP addresses are written as ip(7) and ipv6(7) define them, and read back', () => {
  for (const [host, port, family, expected] of [
    ['127.0.0.1', 6_274, AF_INET, `${V4}1882 7f000001 0000000000000000`],
    ['255.254.253.252', 65_535, AF_INET, `${V4}ffff fffefdfc 0000000000000000`],
    ['0.0.0.0', 1, AF_INET, `${V4}0001 00000000 0000000000000000`],
    ['::', 80, AF_INET6, `${V6}0050 00000000 ${'00'.repeat(16)} 00000000`],
    ['::1', 80, AF_INET6, `${V6}0050 00000000 ${'00'.repeat(15)}01 00000000`],
    ['2001:db8::ff00:42:8329', 443, AF_INET6, `${V6}01bb 00000000 20010db8000000000000ff0000428329 00000000`],
    ['1:2:3:4:5:6:7:8', 9, AF_INET6, `${V6}0009 00000000 00010002000300040005000600070008 00000000`],
    ['fe80::', 9, AF_INET6, `${V6}0009 00000000 fe80${'00'.repeat(14)} 00000000`],
    ['64:ff9b::c000:201', 9, AF_INET6, `${V6}0009 00000000 0064ff9b0000000000000000c0000201 00000000`],
  ] as const) {
    const memory = usedMemory();
    const written = writeAddress({ host, port }, memory);
    const bytes = expected.replaceAll(' ', '');
    assert.deepEqual([written.family, written.size], [family, bytes.length / 2], host);
    assert.equal(hex(memory, written.size), bytes, host);
    assert.deepEqual(readAddress(memory), { host, port }, host);
  }
});

test('an IPv4 client of an IPv6 socket has an IPv4 address', () => {
  const memory = usedMemory();
  writeAddress({ host: '::', port: 80 }, memory);
  Buffer.from('00000000000000000000ffff0a000001', 'hex').copy(memory.bytes, 8);
  assert.deepEqual(readAddress(memory), { host: '10.0.0.1', port: 80 });
});

test('a link-local address keeps its interface, by number where this host has no name for it', () => {
  const memory = usedMemory();
  writeAddress({ host: 'fe80::1%4711', port: 80 }, memory);
  assert.equal(memory.bytes.readUInt32LE(24), 4_711);
  assert.deepEqual(readAddress(memory), { host: 'fe80::1%4711', port: 80 });
  for (const [name, addresses] of Object.entries(networkInterfaces()))
    for (const { scopeid } of addresses ?? [])
      if (scopeid) {
        writeAddress({ host: `fe80::1%${name}`, port: 80 }, memory);
        assert.equal(memory.bytes.readUInt32LE(24), scopeid, name);
        assert.deepEqual(readAddress(memory), { host: `fe80::1%${name}`, port: 80 });
      }
});

test('a path of MAX_SOCKET_PATH_BYTES fits, and the clients of a unix socket have no address', () => {
  for (const path of ['/s', `/${'p'.repeat(MAX_SOCKET_PATH_BYTES - 1)}`, `/${'ü'.repeat(53)}`]) {
    const memory = usedMemory();
    const { size, family } = writeAddress({ host: path, port: 0 }, memory);
    const bytes = Buffer.from(path);
    assert.deepEqual([family, size], [AF_UNIX, 2 + bytes.length + 1]);
    assert.equal(hex(memory, size), `0100${bytes.toString('hex')}00`);
    assert.equal(readAddress(memory), undefined);
  }
});
