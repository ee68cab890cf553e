import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import koffi from 'koffi';

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** The largest number of descriptors of one message (unix(7): SCM_MAX_FD). */
export const MAX_DESCRIPTORS = 253;

/**
 * Sends bytes on a unix socket with file descriptors of this process, by sendmsg(2) of the C library: Node.js cannot.
 * @returns whether the socket had room
 */
export const sendDescriptors = (to: Socket, bytes: Buffer, fds: readonly number[]): boolean => {
  // struct cmsghdr of cmsg(3), and struct iovec and struct msghdr of sendmsg(2), on 64 bits.
  const control = Buffer.alloc(16 + 8 * Math.ceil(fds.length / 2));
  control.writeBigUInt64LE(BigInt(16 + 4 * fds.length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, fd] of fds.entries()) control.writeInt32LE(fd, 16 + 4 * index);
  const vector = words(koffi.address(bytes), bytes.length);
  const message = words(0, 0, koffi.address(vector), 1, koffi.address(control), control.length, 0);
  const sendmsg = koffi.load(null).func('long sendmsg(int, void *, int)');
  const sent = sendmsg(fileDescriptorOf(to), message, 0) as number;
  if (sent < 0) assert.equal(koffi.errno(), koffi.os.errno['EAGAIN']);
  return sent === bytes.length;
};

export const fileDescriptorOf = (socket: Socket): number =>
  (socket as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;

const words = (...values: readonly (number | bigint)[]): Buffer => {
  const buffer = Buffer.alloc(8 * values.length);
  for (const [index, value] of values.entries()) buffer.writeBigUInt64LE(BigInt(value), 8 * index);
  return buffer;
};
