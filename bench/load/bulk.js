// A worker with one connection that sends as fast as it can.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveCommands } from '../lib/ipc-worker.js';

/** The first byte, "b", marks the connection as bulk for upstream/echo-or-sink.js. */
const CHUNK = Buffer.alloc(1 << 20, 'b');

let socket;

const pump = () => {
  while (socket.write(CHUNK));
};

/** @returns the bytes that the socket has taken, without those that wait in this process */
const sentBytes = () => socket.bytesWritten - socket.writableLength;

serveCommands({
  start: async ({ port }) => {
    socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.on('drain', pump);
    pump();
  },
  /** @returns the MB that were sent within `seconds` */
  count: async ({ seconds }) => {
    const before = sentBytes();
    await sleep(seconds * 1_000);
    return (sentBytes() - before) / 1e6;
  },
});
