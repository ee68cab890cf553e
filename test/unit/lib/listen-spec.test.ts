import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Address, formatAddress, parseAddress } from '../../../src/lib/address.ts';
import {
  bindAddresses,
  covers,
  isCovered,
  parseListenSpec,
  sharesPort,
} from '../../../src/lib/listen-spec.ts';

/** The addresses of a host: loopback, and outside ones of both families, one of them link-local. */
const LOCAL = ['127.0.0.1', '::1', '10.0.0.5', '2001:db8::5', 'fe80::5%eth0'];

const address = (text: string): Address => {
  const parsed = parseAddress(text);
  assert.ok(parsed, text);
  return parsed;
};
const listen = (text: string) => {
  const parsed = parseListenSpec(text);
  assert.ok(parsed, text);
  return parsed;
};

describe('a proxy binds the addresses that its listen spec stands for', () => {
  const outside = ['10.0.0.5:80', '[2001:db8::5]:80', '[fe80::5%eth0]:80'];
  const table: readonly [form: string, upstream: string, bound: readonly string[]][] = [
    ['80', 'localhost:80', outside],
    ['80', '127.0.0.1:80', outside],
    ['80', '[::1]:80', outside],
    ['80', 'localhost:81', ['0.0.0.0:80', '[::]:80']],
    ['80', '192.0.2.1:80', ['0.0.0.0:80', '[::]:80']],
    ['external:80', 'localhost:80', outside],
    ['external:80', '192.0.2.1:81', outside],
    ['0.0.0.0:80', 'localhost:80', ['0.0.0.0:80']],
    ['[::]:80', 'localhost:80', ['[::]:80']],
    ['localhost:80', '192.0.2.1:80', ['127.0.0.1:80', '[::1]:80']],
    ['unix:/run/a.sock', 'unix:/run/b.sock', ['unix:/run/a.sock']],
    ['192.0.2.7:80', 'localhost:80', ['192.0.2.7:80']],
  ];
  for (const [form, upstream, bound] of table)
    test(`"${form}" in front of ${upstream} is ${bound.join(', ')}`, () =>
      assert.deepEqual(bindAddresses(listen(form), address(upstream), LOCAL).map(formatAddress), bound));
});

test('on a host without an outside address, "external" binds nothing', () => {
  assert.deepEqual(bindAddresses(listen('external:80'), address('localhost:80'), ['127.0.0.1', '::1']), []);
});

describe('a listener covers the addresses whose connections arrive at it', () => {
  const table: readonly [bound: string, target: string, covered: boolean][] = [
    ['127.0.0.1:80', '127.0.0.1:80', true],
    ['127.0.0.1:80', '127.0.0.1:81', false],
    ['127.0.0.1:80', '127.0.0.2:80', false],
    ['127.0.0.1:80', '[::1]:80', false],
    ['0.0.0.0:80', '127.0.0.1:80', true],
    ['0.0.0.0:80', '127.9.9.9:80', true],
    ['0.0.0.0:80', '10.0.0.5:80', true],
    ['0.0.0.0:80', '10.0.0.6:80', false],
    ['0.0.0.0:80', '[::1]:80', false],
    ['0.0.0.0:80', '[2001:db8::5]:80', false],
    ['0.0.0.0:80', 'db.internal:80', false],
    ['[::]:80', '[::1]:80', true],
    ['[::]:80', '[fe80::5%eth0]:80', true],
    ['[::]:80', '127.0.0.1:80', false],
    ['10.0.0.5:80', '127.0.0.1:80', false],
    ['10.0.0.5:80', '10.0.0.5:80', true],
    // A connection to the unspecified address arrives at loopback.
    ['127.0.0.1:80', '0.0.0.0:80', true],
    ['0.0.0.0:80', '0.0.0.0:80', true],
    ['[::1]:80', '[::]:80', true],
    ['[::]:80', '0.0.0.0:80', false],
    ['10.0.0.5:80', '0.0.0.0:80', false],
  ];
  for (const [bound, target, covered] of table)
    test(`${bound} and ${target}: ${covered}`, () =>
      assert.equal(covers(address(bound), address(target), LOCAL), covered));
});

test('an address is covered when one of several listeners covers it', () => {
  const bound = [address('10.0.0.5:80'), address('[::]:80')];
  assert.equal(isCovered(bound, address('[::1]:80'), LOCAL), true);
  assert.equal(isCovered(bound, address('127.0.0.1:80'), LOCAL), false);
  assert.equal(isCovered([], address('127.0.0.1:80'), LOCAL), false);
});

describe('a proxy shares its port with an upstream on loopback that has the same port', () => {
  const table: readonly [form: string, upstream: string, shares: boolean][] = [
    ['80', 'localhost:80', true],
    ['0.0.0.0:80', '127.0.0.1:80', true],
    ['80', '[::1]:80', true],
    ['80', 'localhost:81', false],
    ['80', '10.0.0.5:80', false],
  ];
  for (const [form, upstream, shares] of table)
    test(`"${form}" and ${upstream}: ${shares}`, () =>
      assert.equal(sharesPort(listen(form), address(upstream)), shares));
});
