// A client of the echo upstream, in this process.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const BYTE = Buffer.from('x');
const AT_A_TIME = 50;
const TIMEOUT_MS = 15_000;

const open = async (port) => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
};

/** Opens `count` connections, AT_A_TIME receivedAt once. */
export const openMany = async (port, count) => {
  const sockets = [];
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(AT_A_TIME, count - sockets.length) }, () => open(port));
    sockets.push(...(await Promise.all(batch)));
  }
  return sockets;
};

/** Opens a connection, sends a byte there and back, and closes it. */
export const visit = async (port) => {
  const socket = await open(port);
  await roundTrips(socket, 1);
  socket.destroy();
};

/** @returns the times of `count` one-byte round trips, in ms */
export const roundTrips = (socket, count) =>
  new Promise((done, fail) => {
    const times = [];
    let sentAt = 0;
    const send = () => {
      sentAt = performance.now();
      socket.write(BYTE);
    };
    const onClose = () => fail(new Error(`the connection was closed after ${times.length} round trips`));
    const onData = () => {
      times.push(performance.now() - sentAt);
      if (times.length < count) return send();
      socket.off('data', onData).off('close', onClose);
      done(times);
    };
    socket.on('data', onData).once('close', onClose);
    send();
  });

/** Connects again and again until a byte comes back. @returns that instant, by performance.now() */
export const waitForByte = async (server) => {
  for (const giveUpAt = Date.now() + TIMEOUT_MS; ; await sleep(1)) {
    try {
      const socket = await open(server.port);
      await roundTrips(socket, 1);
      const receivedAt = performance.now();
      socket.destroy();
      return receivedAt;
    } catch (error) {
      if (server.ended) throw new Error(server.ended, { cause: error });
      if (Date.now() > giveUpAt) throw error;
    }
  }
};

/** Makes round trips through each port in turns. @returns their times for each port, in ms */
export const compareRoundTrips = async (ports, { turns, count }) => {
  const sockets = await Promise.all(ports.map(open));
  for (const socket of sockets) await roundTrips(socket, count);
  const times = ports.map(() => []);
  for (let turn = 0; turn < turns; turn += 1)
    for (const [index, socket] of sockets.entries()) times[index].push(...(await roundTrips(socket, count)));
  for (const socket of sockets) socket.destroy();
  return times;
};

/** Opens connections that stay open, each with one byte sent and one received. */
export const hold = async (port, count) => {
  const sockets = [];
  while (sockets.length < count) {
    const batch = await openMany(port, Math.min(AT_A_TIME, count - sockets.length));
    await Promise.all(batch.map((socket) => roundTrips(socket, 1)));
    sockets.push(...batch);
  }
  const release = () => {
    for (const socket of sockets) socket.destroy();
  };
  return { sockets, release, lost: () => sockets.filter(({ destroyed }) => destroyed).length };
};
