import type { Socket } from 'node:net';
import { type Address, canonicalHost, formatAddress } from '../../lib/address.ts';

/**
 * Keeps the pair of a connection to the upstream in `outgoing`, for the check whether an accepted client is one of the
 * proxy's own connections. The pair is there before the other end can be accepted (Node calls connect(2) in its next
 * tick), and stays PAIR_TTL_MS after the close, until the other end has surely been accepted: a loop whose first
 * connection was cut would otherwise go on by itself.
 */
export const trackOutgoingPair = (socket: Socket, address: Address, outgoing: Set<string>): void => {
  process.nextTick(() => {
    const pair = addressPair(socket, address);
    outgoing.add(pair);
    socket.once('close', () => setTimeout(() => outgoing.delete(pair), PAIR_TTL_MS).unref());
  });
};

const PAIR_TTL_MS = 1_000;

/** Both ends of the socket: the local address, then the remote one. */
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

/** The two ends of a connection as one text: the socket's local address, then `address`. */
export const addressPair = (socket: Socket, address: Address): string =>
  `${formatLocalAddress(socket)} ${formatAddress(address)}`;
