// System calls, counted by `strace -c` while a known number of messages, then of connections, goes through.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch } from '../lib/children.js';
import { isTraced, pidsOf } from '../lib/proc.js';
import { startEcho, startForwarder } from '../lib/processes.js';
import { CONNECTIONS_AT_ONCE } from '../lib/sizes.js';
import { pathOf } from '../lib/tools.js';
import { openMany, roundTrips, visit } from '../load/echo-client.js';

const PATIENCE_MS = 10_000;
const WARM_UP = 50;

export const syscalls = {
  key: 'syscalls',
  tools: ['strace'],
  isFor: ({ role }) => role === 'own' || role === 'peer',
  rows: [
    { field: 'request', title: 'system calls, each request', unit: '', better: 'less' },
    { field: 'connection', title: 'system calls, each new connection', unit: '', better: 'less' },
  ],
  run: async (place) => {
    const { requests, connections } = place.sizes.counted;
    const forwarder = await startForwarder(await startEcho(place), place);
    const sockets = await openMany(forwarder.port, CONNECTIONS_AT_ONCE);
    const each = (count) => Promise.all(sockets.map((socket) => roundTrips(socket, count)));
    await each(WARM_UP);
    const count = Math.ceil(requests / sockets.length);
    const request = await callsDuring(forwarder, place, () => each(count));
    for (const socket of sockets) socket.destroy();
    await visitAll(forwarder.port, sockets.length);
    const connection = await callsDuring(forwarder, place, () => visitAll(forwarder.port, connections));
    return {
      request: sumOf(request) / (count * sockets.length),
      connection: sumOf(connection) / connections,
      requestCalls: shared(request, count * sockets.length),
      connectionCalls: shared(connection, connections),
    };
  },
};

/** Each connection with a byte both ways, then closed by the client. */
const visitAll = async (port, count) => {
  let left = count;
  const client = async () => {
    while (left > 0) {
      left -= 1;
      await visit(port);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS_AT_ONCE }, client));
};

/** @returns how often each call was made by the forwarder, by name */
const callsDuring = async (forwarder, { folder, sizes }, work) => {
  const summary = join(folder, 'strace.txt');
  const pids = pidsOf(forwarder).flatMap((pid) => ['-p', `${pid}`]);
  const command = [pathOf('strace'), '-c', '-f', '-o', summary, ...pids];
  const tracer = launch(command, { folder, listen: 'strace' });
  await waitUntilTraced(forwarder, tracer);
  await work();
  await sleep(sizes.settleMs);
  process.kill(tracer.pid, 'SIGINT');
  await tracer.gone;
  return countsOf(readFileSync(summary, 'utf8'));
};

const waitUntilTraced = async (forwarder, tracer) => {
  for (const giveUpAt = Date.now() + PATIENCE_MS; !isTraced(forwarder); await sleep(10)) {
    if (tracer.ended) throw new Error(tracer.ended);
    if (Date.now() > giveUpAt) throw new Error(`strace has not begun after ${PATIENCE_MS / 1_000} s`);
  }
};

/** A line of the summary: share of the time, seconds, µs a call, calls, perhaps errors, name. */
const countsOf = (summary) => {
  const lines = summary.matchAll(/^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$/gm);
  const counts = {};
  for (const [, count, name] of lines) if (name !== 'total') counts[name] = Number(count);
  if (Object.keys(counts).length === 0) throw new Error('strace counted nothing');
  return counts;
};

const sumOf = (counts) => Object.values(counts).reduce((sum, one) => sum + one, 0);

const shared = (counts, by) =>
  Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count / by]));
