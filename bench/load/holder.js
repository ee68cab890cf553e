// A worker that holds connections open.
import { setTimeout as sleep } from 'node:timers/promises';
import { serveCommands } from '../lib/ipc-worker.js';
import { hold, roundTrips } from './echo-client.js';

const AT_A_TIME = 50;
const TIMEOUT_MS = 5_000;

let held;

/** @returns the number of connections that no longer carry a byte there and back */
const countDead = async () => {
  let dead = 0;
  for (let from = 0; from < held.sockets.length; from += AT_A_TIME) {
    const batch = held.sockets.slice(from, from + AT_A_TIME).map(isAlive);
    dead += (await Promise.all(batch)).filter((alive) => !alive).length;
  }
  return dead;
};

const isAlive = async (socket) => {
  if (socket.destroyed) return false;
  const timeout = sleep(TIMEOUT_MS, false, { ref: false });
  const answered = roundTrips(socket, 1).then(
    () => true,
    () => false,
  );
  return Promise.race([answered, timeout]);
};

serveCommands({
  open: async ({ port, count }) => {
    held = await hold(port, count);
  },
  countDead,
  release: () => held.release(),
});
