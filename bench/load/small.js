// Many connections that stay, each with a small request now and then, at a steady rate. Led by messages.
import { setTimeout as sleep } from 'node:timers/promises';
import { answer } from '../lib/ipc-worker.js';
import { percentile } from '../lib/median.js';
import { openMany, roundTrips } from './echo-client.js';

const TICK_MS = 1;
const PATIENCE_MS = 10_000;

let sockets = [];
/** What each socket is busy with. */
let turns = [];

/** Whoever has no answer yet keeps nobody else from asking. */
const run = async ({ seconds, everyMs }) => {
  const total = Math.round((sockets.length * seconds * 1_000) / everyMs);
  const gapMs = everyMs / sockets.length;
  const startedAt = performance.now();
  const underway = [];
  while (underway.length < total) {
    const due = Math.min(total, (performance.now() - startedAt) / gapMs);
    while (underway.length < due) underway.push(request(underway.length % sockets.length));
    await sleep(TICK_MS);
  }
  const late = sleep(PATIENCE_MS, undefined, { ref: false }).then(() => {
    throw new Error(`a small request has no answer after ${PATIENCE_MS / 1_000} s`);
  });
  const times = await Promise.race([Promise.all(underway), late]);
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
};

/** @returns its time in ms, with that for which it waits for the one before on its connection */
const request = (index) => {
  const askedAt = performance.now();
  const turn = turns[index].then(async () => {
    await roundTrips(sockets[index], 1);
    return performance.now() - askedAt;
  });
  turns[index] = turn;
  return turn;
};

answer({
  open: async ({ port, count }) => {
    sockets = await openMany(port, count);
    turns = sockets.map(() => Promise.resolve());
  },
  run,
});
