// Holds many connections whose receiver does not read, while the sender sends endlessly.
import { setTimeout as sleep } from 'node:timers/promises';
import { launchWorker, stop } from '../lib/children.js';
import { abortedForMemory, openFilesByKind, residentBytes, tcpBytes } from '../lib/proc.js';
import { startForwarder, startProgram } from '../lib/processes.js';
import { waitForFiles, waitForSockets } from '../lib/settle.js';

const clients = new URL('../load/stalled-clients.js', import.meta.url);
const SAMPLE_EVERY_MS = 100;

/** `asks`: the clients ask for an endless answer. Otherwise they send endlessly themselves. */
export const DIRECTIONS = [
  { key: 'answers', asks: true, title: 'to clients that do not read' },
  { key: 'requests', asks: false, title: 'to an upstream that does not read' },
];

/** @returns RSS in bytes and open files by kind at each point, and the clients that were closed before they left */
export const stalled = async ({ asks }, context) => {
  const { connections, stallMs, leftMs, restMs, limitMs } = context.sizes;
  const upstream = await startProgram('upstream/endless-or-stalled.js', context);
  const forwarder = await startForwarder(upstream, context);
  const worker = launchWorker(clients);
  await sleep(leftMs);
  const files = { before: openFilesByKind(forwarder) };
  const rss = { before: residentBytes(forwarder) };
  const abortedBefore = abortedForMemory();
  const peak = watchPeak(forwarder);
  await worker.call('open', { port: forwarder.port, count: connections, asks });
  await waitForSockets(forwarder, files.before.sockets + 2 * connections, limitMs);
  await sleep(stallMs);
  files.stalled = openFilesByKind(forwarder);
  const inSockets = tcpBytes();
  const aborted = abortedForMemory() - abortedBefore;
  const lost = await worker.call('leave');
  await sleep(leftMs);
  rss.peak = peak.stop();
  rss.left = residentBytes(forwarder);
  files.left = openFilesByKind(forwarder);
  files.late = (await waitForFiles(forwarder, files.before, limitMs)).files;
  await stop(upstream);
  files.after = (await waitForFiles(forwarder, files.before, limitMs)).files;
  await sleep(restMs);
  rss.rested = residentBytes(forwarder);
  if (forwarder.ended) throw new Error(forwarder.ended);
  return { rss, inSockets, files, lost, aborted };
};

/** Takes samples of the RSS until `stop()`, which returns the highest. */
const watchPeak = (forwarder) => {
  let peak = 0;
  const sample = () => {
    peak = Math.max(peak, residentBytes(forwarder));
  };
  const timer = setInterval(sample, SAMPLE_EVERY_MS);
  return {
    stop: () => {
      clearInterval(timer);
      sample();
      return peak;
    },
  };
};
