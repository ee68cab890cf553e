// A worker that makes new connections at a steady rate, each with a request and its answer.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveCommands } from '../lib/ipc-worker.js';
import { percentile } from '../lib/median.js';

const TICK_MS = 1;
const TIMEOUT_MS = 10_000;
/** The upstream closes after its answer to this: the port of a client that closes first stays in use for a minute. */
const REQUEST = Buffer.from('q');

/** @param end called once, with the problem, or with undefined and the time until the answer in ms */
const visit = (port, end) => {
  const startedAt = performance.now();
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let tookMs;
  let hasEnded = false;
  const settle = (problem) => {
    if (hasEnded) return;
    hasEnded = true;
    clearTimeout(timeout);
    socket.destroy();
    end(problem, tookMs);
  };
  const timeout = setTimeout(() => settle(`not ended after ${TIMEOUT_MS / 1_000} s`), TIMEOUT_MS);
  socket.on('connect', () => socket.write(REQUEST));
  socket.on('data', () => {
    tookMs = performance.now() - startedAt;
  });
  socket.on('error', ({ code }) => settle(code));
  socket.on('close', () => settle(tookMs === undefined ? 'closed before the answer' : undefined));
};

/** @returns the number of connections, percentiles of their times in ms, and the count of each problem */
const run = async ({ port, rate, seconds }) => {
  const total = rate * seconds;
  const times = [];
  const problems = {};
  const note = (problem, tookMs) => {
    if (problem) problems[problem] = (problems[problem] ?? 0) + 1;
    else times.push(tookMs);
    ended += 1;
  };
  const startedAt = performance.now();
  let made = 0;
  let ended = 0;
  while (made < total) {
    const due = Math.min(total, ((performance.now() - startedAt) / 1_000) * rate);
    for (; made < due; made += 1) visit(port, note);
    await sleep(TICK_MS);
  }
  const tookSeconds = (performance.now() - startedAt) / 1_000;
  while (ended < made) await sleep(TICK_MS);
  return { made, tookSeconds, problems, ...summary(times) };
};

const summary = (times) =>
  times.length === 0
    ? {}
    : { p50: percentile(times, 0.5), p99: percentile(times, 0.99), max: percentile(times, 1) };

serveCommands({ run });
