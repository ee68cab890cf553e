// Many connections that stay, and new ones all the time, through one proxy.
import { setTimeout as sleep } from 'node:timers/promises';
import { launchHelper } from '../../lib/children.js';
import { cpuSeconds, openFiles, residentBytes } from '../../lib/proc.js';
import { startForwarder, startProgram } from '../../lib/processes.js';

const holder = new URL('../../load/holder.js', import.meta.url);
const arrivals = new URL('../../load/arrivals.js', import.meta.url);

/**
 * The upstream, the held and the new connections have a process each.
 *
 * @returns RSS in bytes at each point, times in ms, CPU seconds of the proxy while new ones came
 */
export const soak = async (place) => {
  const { held, rate, seconds, warmUpMs, restMs } = place.sizes;
  const forwarder = await startForwarder(await startProgram('upstream/echo-or-end.js', place), place);
  const [staying, coming] = [launchHelper(holder), launchHelper(arrivals)];
  await sleep(restMs);
  const rss = { idle: residentBytes(forwarder) };
  await staying.ask('open', { port: forwarder.port, count: held });
  await sleep(restMs);
  rss.held = residentBytes(forwarder);
  const files = openFiles(forwarder);
  await coming.ask('run', { port: forwarder.port, rate, seconds: warmUpMs / 1_000 });
  rss.start = residentBytes(forwarder);
  const before = cpuSeconds(forwarder);
  const load = coming.ask('run', { port: forwarder.port, rate, seconds });
  await Promise.race([sleep(seconds * 500), load]);
  rss.middle = residentBytes(forwarder);
  const result = await load;
  if (forwarder.ended) throw new Error(forwarder.ended);
  const cpu = cpuSeconds(forwarder) - before;
  rss.end = residentBytes(forwarder);
  const dead = await staying.ask('countDead');
  await sleep(restMs);
  const filesAfter = openFiles(forwarder);
  await staying.ask('release');
  await sleep(restMs);
  rss.after = residentBytes(forwarder);
  return { ...result, cpu, rss, dead, files, leaked: filesAfter - files };
};
