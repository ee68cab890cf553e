import { networkInterfaces } from 'node:os';
import { type Address, canonicalHost, ipFamily, isUnixSocket } from '../lib/address.ts';
import { AF_INET, AF_INET6, AF_UNIX, type Memory } from './libc.ts';

/**
 * Writes an IP address or the path of a unix socket as the kernel's sockaddr (ip(7), ipv6(7), unix(7)).
 * @returns the size in bytes and the address family
 */
export const writeAddress = (
  { host, port }: Address,
  { bytes }: Memory,
): { readonly size: number; readonly family: number } => {
  bytes.fill(0);
  if (isUnixSocket({ host, port })) {
    bytes.writeUInt16LE(AF_UNIX, 0);
    return { size: 2 + bytes.write(host, 2) + 1, family: AF_UNIX };
  }
  bytes.writeUInt16BE(port, 2);
  if (ipFamily(host) === 4) {
    bytes.writeUInt16LE(AF_INET, 0);
    for (const [index, byte] of host.split('.').entries()) bytes.writeUInt8(Number(byte), 4 + index);
    return { size: 16, family: AF_INET };
  }
  const [unscopedHost = '', scope] = host.split('%');
  bytes.writeUInt16LE(AF_INET6, 0);
  for (const [index, word] of ipv6Words(unscopedHost).entries()) bytes.writeUInt16BE(word, 8 + 2 * index);
  if (scope !== undefined) bytes.writeUInt32LE(Number(scope) || scopeId(scope), 24);
  return { size: 28, family: AF_INET6 };
};

/** The eight 16-bit words of an IPv6 address. */
const ipv6Words = (host: string): readonly number[] => {
  const [headText = '', tailText] = canonicalHost(host).split('::');
  const words = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
  const left = words(headText);
  const right = words(tailText ?? '');
  return [
    ...left,
    ...Array<number>(tailText === undefined ? 0 : 8 - left.length - right.length).fill(0),
    ...right,
  ];
};

/** Reads what {@link writeAddress} writes; undefined for a unix socket, whose clients have no address. */
export const readAddress = ({ bytes }: Memory): Address | undefined => {
  const family = bytes.readUInt16LE(0);
  if (family === AF_INET) return { host: formatIpv4(bytes.readUInt32BE(4)), port: bytes.readUInt16BE(2) };
  if (family === AF_INET6) return { host: formatIpv6(bytes), port: bytes.readUInt16BE(2) };
  return undefined;
};

/** The texts of IPv4 addresses by number. Few hosts open most connections, so each text is made once. */
const ipv4Texts = new Map<number, string>();
const MAX_IPV4_TEXTS = 4_096;

const formatIpv4 = (address: number): string => {
  const cached = ipv4Texts.get(address);
  if (cached !== undefined) return cached;
  const text = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join('.');
  if (ipv4Texts.size >= MAX_IPV4_TEXTS) ipv4Texts.clear();
  ipv4Texts.set(address, text);
  return text;
};

const formatIpv6 = (bytes: Buffer): string => {
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(8 + 2 * index).toString(16));
  const host = canonicalHost(words.join(':'));
  const scope = bytes.readUInt32LE(24);
  return scope === 0 || !/^fe[89ab]/.test(host) ? host : `${host}%${scopeName(scope)}`;
};

/**
 * The zone index of an interface (RFC 4007, section 11); 0 when no interface has that name. Node.js gives an index only to
 * interfaces with a link-local address.
 */
const scopeId = (name: string): number =>
  networkInterfaces()[name]?.find(({ scopeid }) => scopeid)?.scopeid ?? 0;

const scopeName = (id: number): string =>
  Object.entries(networkInterfaces()).find(([, addresses]) =>
    addresses?.some(({ scopeid }) => scopeid === id),
  )?.[0] ?? `${id}`;
