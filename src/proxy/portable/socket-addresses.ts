import type { Socket } from 'node:net';
import { type Address, canonicalHost, formatAddress } from '../../lib/address.ts';
/**
 * In `outgoing` from before the other end can be accepted (connect(2) is called in Node's next tick) until it
 * surely has been: a loop whose first connection was cut would otherwise go on by itself.
 */
export const trackOutgoingPair = (socket: Socket, address: Address, outgoing: Set<string>): void => {
  process.nextTick(() => {
    const pair = addressPair(socket, address);
    outgoing.add(pair);
    socket.once('close', () => setTimeout(() => outgoing.delete(pair), PAIR_TTL_MS).unref());
  });
};

export const socketAddresses = ({
  localAddress = '',
  localPort = 0,
  remoteAddress = '',
  remotePort = 0,
}: Socket): [Address, Address] => [
  { host: canonicalHost(localAddress), port: localPort },
  { host: canonicalHost(remoteAddress), port: remotePort },
];

export const formatLocalAddress = ({ localAddress = '', localPort = 0 }: Socket): string =>
  formatAddress({ host: canonicalHost(localAddress), port: localPort });

export const addressPair = (socket: Socket, address: Address): string =>
  `${formatLocalAddress(socket)} ${formatAddress(address)}`;

const PAIR_TTL_MS = 1_000;
