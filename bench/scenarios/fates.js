// Lets many connections come to every kind of end, and looks what the forwarder has left of them.
import { setTimeout as sleep } from 'node:timers/promises';
import { launchWorker, stop } from '../lib/children.js';
import { abortedForMemory, openFilesByKind, residentBytes } from '../lib/proc.js';
import { restartProgram, startForwarder, startProgram } from '../lib/processes.js';
import { waitForFiles } from '../lib/settle.js';

const clients = new URL('../load/fate-clients.js', import.meta.url);
const PROGRAM = 'upstream/fates.js';

/**
 * Clients and upstream draw fates of their own, and the upstream is killed and started again in between.
 * @returns RSS in bytes and open files by kind at each point, and what the clients saw
 */
export const fates = async (context) => {
  const { warmUp, connections, leftMs, restMs, limitMs } = context.sizes;
  const upstream = await startUpstream(context);
  const forwarder = await startForwarder(upstream, context);
  const worker = launchWorker(clients);
  const run = (count) => upstream.restartDuring(worker.call('run', { port: forwarder.port, count }));
  const idle = openFilesByKind(forwarder);
  await run(warmUp);
  await sleep(leftMs);
  const warm = openFilesByKind(forwarder);
  // Pipes and other files may be kept for later use; an idle forwarder has no sockets but its listeners.
  const pipes = Math.max(idle.pipes, warm.pipes);
  const files = { before: { sockets: idle.sockets, pipes, others: warm.others } };
  const rss = { before: residentBytes(forwarder) };
  const abortedBefore = abortedForMemory();
  const startedAt = performance.now();
  const { counts, kills } = await run(connections);
  const tookSeconds = (performance.now() - startedAt) / 1_000;
  rss.end = residentBytes(forwarder);
  const back = await waitForFiles(forwarder, files.before, limitMs);
  files.after = back.files;
  await sleep(restMs);
  rss.rested = residentBytes(forwarder);
  if (forwarder.ended) throw new Error(forwarder.ended);
  const aborted = abortedForMemory() - abortedBefore;
  return { counts, aborted, kills, tookSeconds, backMs: back.tookMs, files, rss };
};

/** An upstream that is killed every now and then and started again at its port, for as long as a load lasts. */
const startUpstream = async (context) => {
  const { killEveryMs, downMs } = context.sizes;
  let program = await startProgram(PROGRAM, context);
  const { port } = program;
  const restartDuring = async (load) => {
    let isOver = false;
    const end = load.finally(() => {
      isOver = true;
    });
    for (let kills = 0; ; kills += 1) {
      await Promise.race([sleep(killEveryMs), end]);
      if (isOver) return { counts: await end, kills };
      await stop(program);
      await sleep(downMs);
      program = await restartProgram(PROGRAM, port, context);
    }
  };
  return { port, restartDuring };
};
