// New connections at a steady rate, each with a request and its answer, in a process of their own. Led by messages.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { answer } from '../lib/ipc-worker.js';
import { percentile } from '../lib/median.js';

const TICK_MS = 1;
const PATIENCE_MS = 10_000;
/** The upstream closes after its answer to this: a client that closes first keeps its port for a minute. */
const REQUEST = Buffer.from('q');

/** @param end called once: with what went wrong, or with undefined and how long the answer took, in ms */
const visit = (port, end) => {
  const startedAt = performance.now();
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let tookMs;
  let isOver = false;
  const settle = (problem) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(late);
    socket.destroy();
    end(problem, tookMs);
  };
  const late = setTimeout(() => settle(`not over after ${PATIENCE_MS / 1_000} s`), PATIENCE_MS);
  socket.on('connect', () => socket.write(REQUEST));
  socket.on('data', () => {
    tookMs = performance.now() - startedAt;
  });
  socket.on('error', ({ code }) => settle(code));
  socket.on('close', () => settle(tookMs === undefined ? 'closed before the answer' : undefined));
};

/** @returns how many were made, their times in ms, and how often what went wrong */
const run = async ({ port, rate, seconds }) => {
  const total = rate * seconds;
  const [times, problems] = [[], {}];
  const note = (problem, tookMs) => {
    if (problem) problems[problem] = (problems[problem] ?? 0) + 1;
    else times.push(tookMs);
    over += 1;
  };
  const startedAt = performance.now();
  let [made, over] = [0, 0];
  while (made < total) {
    const due = Math.min(total, ((performance.now() - startedAt) / 1_000) * rate);
    for (; made < due; made += 1) visit(port, note);
    await sleep(TICK_MS);
  }
  const tookSeconds = (performance.now() - startedAt) / 1_000;
  while (over < made) await sleep(TICK_MS);
  return { made, tookSeconds, problems, ...summary(times) };
};

const summary = (times) =>
  times.length === 0
    ? {}
    : { p50: percentile(times, 0.5), p99: percentile(times, 0.99), max: percentile(times, 1) };

answer({ run });
