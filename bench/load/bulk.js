// One connection that sends as fast as it can. Led by messages.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { answer } from '../lib/ipc-worker.js';

/** Its first byte tells upstream/echo-or-sink.js what it is. */
const CHUNK = Buffer.alloc(1 << 20, 'b');

let socket;

const pump = () => {
  while (socket.write(CHUNK));
};

/** What the socket has taken: not what waits in this process. */
const sentBytes = () => socket.bytesWritten - socket.writableLength;

answer({
  start: async ({ port }) => {
    socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.on('drain', pump);
    pump();
  },
  /** @returns the MB that were sent within that time */
  count: async ({ seconds }) => {
    const before = sentBytes();
    await sleep(seconds * 1_000);
    return (sentBytes() - before) / 1e6;
  },
});
