import type { Socket } from 'node:net';
import { type Address, canonicalHost, formatAddress } from '../../lib/address.ts';
/**
 * In `outgoing` from before the other end can be accepted (connect(2) is called in Node's next tick) until it
 * surely has been: a loop whose first connection was cut would otherwise go on by itself.
 */
export const rememberEnds = (socket: Socket, address: Address, outgoing: Set<string>): void => {
  process.nextTick(() => {
    const own = bothEnds(socket, address);
    outgoing.add(own);
    socket.once('close', () => setTimeout(() => outgoing.delete(own), FORGET_ENDS_MS).unref());
  });
};

export const endsOf = ({
  localAddress = '',
  localPort = 0,
  remoteAddress = '',
  remotePort = 0,
}: Socket): [Address, Address] => [
  { host: canonicalHost(localAddress), port: localPort },
  { host: canonicalHost(remoteAddress), port: remotePort },
];

export const localEnd = ({ localAddress = '', localPort = 0 }: Socket): string =>
  formatAddress({ host: canonicalHost(localAddress), port: localPort });

export const bothEnds = (socket: Socket, address: Address): string =>
  `${localEnd(socket)} ${formatAddress(address)}`;

const FORGET_ENDS_MS = 1_000;
