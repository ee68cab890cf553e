// Connections that are held, in a process of their own. Led by messages.
import { setTimeout as sleep } from 'node:timers/promises';
import { answer } from '../lib/ipc-worker.js';
import { hold, roundTrips } from './echo-client.js';

const AT_A_TIME = 50;
const PATIENCE_MS = 5_000;

let held;

/** @returns how many do not bring a byte there and back any more */
const countDead = async () => {
  let dead = 0;
  for (let from = 0; from < held.sockets.length; from += AT_A_TIME) {
    const some = held.sockets.slice(from, from + AT_A_TIME).map(isAlive);
    dead += (await Promise.all(some)).filter((alive) => !alive).length;
  }
  return dead;
};

const isAlive = async (socket) => {
  if (socket.destroyed) return false;
  const late = sleep(PATIENCE_MS, false, { ref: false });
  const answered = roundTrips(socket, 1).then(
    () => true,
    () => false,
  );
  return Promise.race([answered, late]);
};

answer({
  open: async ({ port, count }) => {
    held = await hold(port, count);
  },
  countDead,
  release: () => held.release(),
});
