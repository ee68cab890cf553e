import { readFile } from 'node:fs/promises';
import { type Address, canonicalHost, ipFamily } from '../../lib/address.ts';
import { hexHost, TABLES } from './socket-table.ts';

/**
 * The bytes that the kernel has not sent, or that the peer has not acknowledged (tx_queue), on the connection
 * between two addresses; undefined when there is none, or no /proc. The table is read outside the event loop: with
 * 36,000 connections it takes 60 ms.
 */
export const unsentBytes = async (local: Address, remote: Address): Promise<number | undefined> => {
  const table = await readTable(ipFamily(local.host) === 4 ? TABLES[0] : TABLES[1]);
  const ends = ` ${hexAddress(local)} ${hexAddress(remote)} `;
  const at = table.indexOf(ends, 0, 'latin1');
  const rest = at < 0 ? '' : table.toString('latin1', at + ends.length, at + ends.length + 32);
  const queue = /^\w+ ([0-9A-F]+):/.exec(rest)?.[1];
  return queue === undefined ? undefined : Number.parseInt(queue, 16);
};

/** At most one reading at a time, and one that everybody who asks meanwhile waits for: it must begin after they asked. */
const readings = new Map<string, { readonly current: Promise<Buffer>; next: Promise<Buffer> | undefined }>();

const readTable = (path: string): Promise<Buffer> => {
  const reading = readings.get(path);
  if (!reading) return beginReading(path);
  reading.next ??= reading.current.then(() => beginReading(path));
  return reading.next;
};

const beginReading = (path: string): Promise<Buffer> => {
  const current = readFile(path).catch(() => Buffer.alloc(0));
  const reading = { current, next: undefined };
  readings.set(path, reading);
  void current.then(() => {
    if (reading.next === undefined) readings.delete(path);
  });
  return current;
};

/** "127.0.0.1" and 80 → "0100007F:0050"; the inverse of {@link hexHost}. */
const hexAddress = ({ host, port }: Address): string => {
  const words = ipFamily(host) === 4 ? [host.split('.').map(Number)] : ipv6Words(host);
  const hex = words.map((bytes) =>
    [...bytes]
      .reverse()
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join(''),
  );
  return `${hex.join('').toUpperCase()}:${hexPort(port)}`;
};

/** The four 4-byte words of an IPv6 address. */
const ipv6Words = (host: string): number[][] => {
  const [head = '', tail] = canonicalHost(host).replace(/%.*$/, '').split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  const bytes = [...left, ...zeros, ...right].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
  return [0, 4, 8, 12].map((start) => bytes.slice(start, start + 4));
};

const hexPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');
