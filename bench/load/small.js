// A worker with many connections that stay open, and small requests on them at a steady rate.
import { setTimeout as sleep } from 'node:timers/promises';
import { serveCommands } from '../lib/ipc-worker.js';
import { percentile } from '../lib/median.js';
import { openMany, roundTrips } from './echo-client.js';

const TICK_MS = 1;
const TIMEOUT_MS = 10_000;

let sockets = [];
/** The last request of each socket. */
let turns = [];

/** Requests are sent at their time, also while other connections wait for their answers. */
const run = async ({ seconds, everyMs }) => {
  const total = Math.round((sockets.length * seconds * 1_000) / everyMs);
  const gapMs = everyMs / sockets.length;
  const startedAt = performance.now();
  const pending = [];
  while (pending.length < total) {
    const due = Math.min(total, (performance.now() - startedAt) / gapMs);
    while (pending.length < due) pending.push(request(pending.length % sockets.length));
    await sleep(TICK_MS);
  }
  const timeout = sleep(TIMEOUT_MS, undefined, { ref: false }).then(() => {
    throw new Error(`a small request has no answer after ${TIMEOUT_MS / 1_000} s`);
  });
  const times = await Promise.race([Promise.all(pending), timeout]);
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
};

/** @returns the time of the request in ms, including its wait for the previous one on the same connection */
const request = (index) => {
  const askedAt = performance.now();
  const turn = turns[index].then(async () => {
    await roundTrips(sockets[index], 1);
    return performance.now() - askedAt;
  });
  turns[index] = turn;
  return turn;
};

serveCommands({
  open: async ({ port, count }) => {
    sockets = await openMany(port, count);
    turns = sockets.map(() => Promise.resolve());
  },
  run,
});
