// Counts system calls by `strace -c` during a known number of requests, then of connections.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch } from '../lib/children.js';
import { isTraced, pidsOf } from '../lib/proc.js';
import { startEcho, startForwarder } from '../lib/processes.js';
import { CONNECTIONS_AT_ONCE } from '../lib/sizes.js';
import { pathOf } from '../lib/tools.js';
import { openMany, roundTrips, visit } from '../load/echo-client.js';

const TIMEOUT_MS = 10_000;
const WARM_UP = 50;

export const syscalls = {
  key: 'syscalls',
  tools: ['strace'],
  isFor: ({ role }) => role === 'own' || role === 'peer',
  rows: [
    { field: 'request', title: 'system calls, each request', unit: '', better: 'less' },
    { field: 'connection', title: 'system calls, each new connection', unit: '', better: 'less' },
  ],
  run: async (context) => {
    const { requests, connections } = context.sizes.counted;
    const forwarder = await startForwarder(await startEcho(context), context);
    const sockets = await openMany(forwarder.port, CONNECTIONS_AT_ONCE);
    const each = (count) => Promise.all(sockets.map((socket) => roundTrips(socket, count)));
    await each(WARM_UP);
    const count = Math.ceil(requests / sockets.length);
    const request = await callsDuring(forwarder, context, () => each(count));
    for (const socket of sockets) socket.destroy();
    await visitAll(forwarder.port, sockets.length);
    const connection = await callsDuring(forwarder, context, () => visitAll(forwarder.port, connections));
    return {
      request: sumOf(request) / (count * sockets.length),
      connection: sumOf(connection) / connections,
      requestCalls: dividedBy(request, count * sockets.length),
      connectionCalls: dividedBy(connection, connections),
    };
  },
};

/** Makes connections, each with a byte both ways, then closed by the client. */
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

/** @returns the number of the forwarder's calls, by their names */
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
  for (const giveUpAt = Date.now() + TIMEOUT_MS; !isTraced(forwarder); await sleep(10)) {
    if (tracer.ended) throw new Error(tracer.ended);
    if (Date.now() > giveUpAt) throw new Error(`strace has not begun after ${TIMEOUT_MS / 1_000} s`);
  }
};

/** Parses the summary. The columns: share of the time, seconds, µs per call, calls, errors (may be empty), name. */
const countsOf = (summary) => {
  const lines = summary.matchAll(/^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$/gm);
  const counts = {};
  for (const [, count, name] of lines) if (name !== 'total') counts[name] = Number(count);
  if (Object.keys(counts).length === 0) throw new Error('strace counted nothing');
  return counts;
};

const sumOf = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

const dividedBy = (counts, divisor) =>
  Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count / divisor]));
