import type { Socket } from 'node:net';
import { createDebug } from '../../../system/debug.ts';
import { quote } from './text-search.ts';

const debug = createDebug('probe');

/** Writes to the upstream. STEADYPORT_DEBUG=probe logs the beginning of it. */
export const send = (socket: Socket, bytes: string | Buffer): void => {
  debug('%s sent %s', peerOf(socket), quote(bytes));
  socket.write(bytes);
};

/** Works like {@link send} for data that may contain a password: only the size is logged. */
export const sendSecretly = (socket: Socket, text: string): void => {
  debug('%s sent %d bytes', peerOf(socket), Buffer.byteLength(text));
  socket.write(text);
};

/** Hands over what the upstream sends. STEADYPORT_DEBUG=probe logs the beginning of each chunk. */
export const onReceived = (socket: Socket, onChunk: (chunk: Buffer) => void): void => {
  socket.on('data', (chunk: Buffer) => {
    traceReceived(socket, chunk);
    onChunk(chunk);
  });
};

export const traceReceived = (socket: Socket, bytes: string | Buffer): void =>
  debug('%s got %s', peerOf(socket), quote(bytes));

/** A unix socket has no remote address. */
const peerOf = ({ remoteAddress, remotePort }: Socket): string =>
  remoteAddress === undefined ? 'unix socket' : `${remoteAddress} ${remotePort}`;
