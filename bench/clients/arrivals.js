// New connections at a steady rate, each with a request and its answer, in a process of their own. Led by messages.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { answer } from '../led.js';
import { percentile } from '../median.js';

const TICK_MS = 1;
const PATIENCE_MS = 10_000;
/** A closed connection keeps its port for a minute: each address has 28,000 of them. */
const ADDRESSES = 8;
const REQUEST = Buffer.from('x');

/** @param end called once, with what went wrong or nothing */
const visit = (port, index, end) => {
  const from = `127.0.0.${2 + (index % ADDRESSES)}`;
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true });
  let isOver = false;
  const settle = (problem) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(late);
    socket.destroy();
    end(problem);
  };
  const late = setTimeout(() => settle(`no answer after ${PATIENCE_MS / 1_000} s`), PATIENCE_MS);
  socket.on('connect', () => socket.write(REQUEST));
  socket.on('data', () => settle());
  socket.on('error', ({ code }) => settle(code)).on('close', () => settle('closed before the answer'));
};

/** @returns how many were made, their times in ms, and how often what went wrong */
const run = async ({ port, rate, seconds }) => {
  const total = rate * seconds;
  const [times, problems] = [[], {}];
  const startedAt = performance.now();
  let [made, over] = [0, 0];
  const make = (index) => {
    const startedAtMs = performance.now();
    visit(port, index, (problem) => {
      over += 1;
      if (problem) problems[problem] = (problems[problem] ?? 0) + 1;
      else times.push(performance.now() - startedAtMs);
    });
  };
  while (made < total) {
    const due = Math.min(total, ((performance.now() - startedAt) / 1_000) * rate);
    while (made < due) make(made++);
    await sleep(TICK_MS);
  }
  const tookSeconds = (performance.now() - startedAt) / 1_000;
  while (over < made) await sleep(TICK_MS);
  if (times.length === 0) return { made, tookSeconds, problems };
  return {
    made,
    tookSeconds,
    problems,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    max: Math.max(...times),
  };
};

answer({ run });
