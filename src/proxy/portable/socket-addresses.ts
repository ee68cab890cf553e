import type { Socket } from 'node:net';
import { type Address, canonicalHost } from '../../lib/address.ts';

/** The socket's own address; undefined for a unix socket, and for one that is not connected any more. */
export const localAddressOf = ({ localAddress, localPort }: Socket): Address | undefined =>
  localAddress === undefined || localPort === undefined
    ? undefined
    : { host: canonicalHost(localAddress), port: localPort };
