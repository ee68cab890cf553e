// Holds many connections through one proxy while new ones come at a steady rate.
import { setTimeout as sleep } from 'node:timers/promises';
import { launchWorker } from '../lib/children.js';
import { cpuSeconds, openFiles, residentBytes } from '../lib/proc.js';
import { startForwarder, startProgram } from '../lib/processes.js';

const holder = new URL('../load/holder.js', import.meta.url);
const arrivals = new URL('../load/arrivals.js', import.meta.url);

/**
 * The upstream, the held and the new connections each have a process of their own.
 *
 * @returns RSS in bytes at each point, times in ms, CPU seconds of the proxy during the new connections
 */
export const soak = async (context) => {
  const { held, rate, seconds, warmUpMs, restMs } = context.sizes;
  const forwarder = await startForwarder(await startProgram('upstream/echo-or-end.js', context), context);
  const heldClients = launchWorker(holder);
  const newClients = launchWorker(arrivals);
  await sleep(restMs);
  const rss = { idle: residentBytes(forwarder) };
  await heldClients.call('open', { port: forwarder.port, count: held });
  await sleep(restMs);
  rss.held = residentBytes(forwarder);
  const files = openFiles(forwarder);
  await newClients.call('run', { port: forwarder.port, rate, seconds: warmUpMs / 1_000 });
  rss.start = residentBytes(forwarder);
  const before = cpuSeconds(forwarder);
  const load = newClients.call('run', { port: forwarder.port, rate, seconds });
  await Promise.race([sleep(seconds * 500), load]);
  rss.middle = residentBytes(forwarder);
  const result = await load;
  if (forwarder.ended) throw new Error(forwarder.ended);
  const cpu = cpuSeconds(forwarder) - before;
  rss.end = residentBytes(forwarder);
  const dead = await heldClients.call('countDead');
  await sleep(restMs);
  const filesAfter = openFiles(forwarder);
  await heldClients.call('release');
  await sleep(restMs);
  rss.after = residentBytes(forwarder);
  return { ...result, cpu, rss, dead, files, leaked: filesAfter - files };
};
