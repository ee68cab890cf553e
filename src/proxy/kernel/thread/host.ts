import { closeSync, writeSync } from 'node:fs';
import { endianness } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Address } from '../../../lib/address.ts';
import type { ResolveResult } from '../../../system/dns.ts';
import { readEphemeralPortRange } from '../../../system/proc/procfs.ts';
import type { EngineCounts } from '../../connection-stats.ts';
import type { EngineHooks, Policy } from '../../engine.ts';
import { type Command, readRecords, type ThreadEvent, type ThreadOptions, toError } from './channel.ts';
import { SharedCounters } from './shared-counters.ts';

/** A loop that has not taken a turn for so long after it was woken is stuck. */
const STUCK_MS = 1_000;

/** What an eventfd takes: the number 1 (eventfd(2)). */
const WAKE_SIGNAL = Buffer.alloc(8);
WAKE_SIGNAL.writeUInt8(1, endianness() === 'LE' ? 0 : 7);

/**
 * The young generation grows to this only under load, and is then collected seldom: with 2 MB that took a third of the
 * thread's time. Connections live in the old one, a kilobyte each.
 */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 48, maxOldGenerationSizeMb: 512 };

interface Thread {
  readonly counters: SharedCounters;
  counts(): EngineCounts;
  post(command: Command): void;
  /** @returns the address that was bound. Rejects with the system's error */
  request(command: {
    readonly kind: 'listen' | 'unlisten';
    readonly address: Address;
  }): Promise<Address | null>;
  dataPath(): 'ok' | 'stuck';
  readonly whenEnded: Promise<unknown>;
}

export const startThread = async (policy: Policy, hooks: EngineHooks): Promise<Thread> => {
  const counters = new SharedCounters();
  const workerData: ThreadOptions = {
    policy,
    counters: counters.buffer,
    shouldReportOpen: hooks.onOpen !== undefined,
    ephemeralPorts: readEphemeralPortRange(),
  };
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData,
    resourceLimits: RESOURCE_LIMITS,
    trackUnmanagedFds: false,
  });
  const pendingRequests = new Map<number, (event: Extract<ThreadEvent, { kind: 'done' }>) => void>();
  let [lastId, reportedEnds] = [0, 0];
  let isDrained = false;
  // One that begins while the process ends cannot be woken: it sees that it is to stop, or ends with the process.
  const liveThread = { counters, wake: (): void => {} };
  LIVE_THREADS.add(liveThread);
  const wakeFd = await waitUntilReady(worker).catch((error: unknown) => {
    LIVE_THREADS.delete(liveThread);
    throw error;
  });
  liveThread.wake = () => void writeSync(wakeFd, WAKE_SIGNAL);
  let cause = new Error('the thread of the data path has ended');
  const whenEnded = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      LIVE_THREADS.delete(liveThread);
      closeSync(wakeFd);
      if (!isDrained) hooks.onDeath(cause);
      resolve();
    });
  });
  worker.on('error', (error) => {
    cause = new Error('the thread of the data path has failed', { cause: error });
  });

  const post = (command: Command): void => {
    if (!LIVE_THREADS.has(liveThread)) return;
    worker.postMessage(command);
    counters.countCommand();
    liveThread.wake();
  };
  const onEvent = (event: ThreadEvent): void => {
    switch (event.kind) {
      case 'records':
        for (const record of readRecords(event.fields)) {
          reportedEnds += 1;
          hooks.onEnd(record);
        }
        return;
      case 'open':
        return hooks.onOpen?.(event.client, event.upstream);
      case 'error':
        return hooks.onError(toError(event.failure));
      case 'done':
        return pendingRequests.get(event.id)?.(event);
      case 'resolve':
        return void lookUp(policy.upstream).then((resolved) => post({ kind: 'resolved', resolved }));
      case 'drained':
        isDrained = true;
        return;
      case 'ready':
        return;
    }
  };
  worker.on('message', onEvent);

  return {
    counters,
    counts: () => counters.counts(reportedEnds),
    post,
    request: ({ kind, address }) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        pendingRequests.set(id, ({ bound, failure }) => {
          pendingRequests.delete(id);
          if (failure) reject(toError(failure));
          else resolve(bound);
        });
        post({ kind, id, address: { host: address.host, port: address.port } });
      }),
    // The last report of a proxy that leaves is made when the thread has ended.
    dataPath: createStuckCheck(counters, () => LIVE_THREADS.has(liveThread) && liveThread.wake()),
    whenEnded,
  };
};

/** Most upstreams have no name, and a resolver takes 4 MB. */
const lookUp = async (address: Address): Promise<ResolveResult> =>
  (await import('../../../system/dns.ts')).resolveAddress(address);

/** Settles with the eventfd; rejects when the thread cannot do its work here. */
const waitUntilReady = (worker: Worker): Promise<number> =>
  new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (event: ThreadEvent) => {
      worker.off('error', reject);
      if (event.kind === 'ready') resolve(event.wakeFd);
    });
  });

/** Wakes the loop at each question: at the next one it must have taken a turn. */
const createStuckCheck = (counters: SharedCounters, wake: () => unknown): (() => 'ok' | 'stuck') => {
  let previous = { turns: -1, checkedAt: 0 };
  return () => {
    const { turns } = counters;
    const isStuck = turns === previous.turns && performance.now() - previous.checkedAt > STUCK_MS;
    if (turns !== previous.turns) previous = { turns, checkedAt: performance.now() };
    wake();
    return isStuck ? 'stuck' : 'ok';
  };
};

/**
 * While a thread sits in a call of the C library, process.exit() and an uncaught exception wait for it for ever. So every
 * way out wakes the loops first; one that does not end even so is ended with the process.
 */
const LIVE_THREADS = new Set<{ readonly counters: SharedCounters; wake(): void }>();

const EXIT_TIMEOUT_MS = 1_000;

process.on('exit', () => {
  for (const { counters, wake } of LIVE_THREADS) {
    counters.stop();
    wake();
  }
  for (const { counters: cells } of LIVE_THREADS)
    if (!cells.waitForEnd(EXIT_TIMEOUT_MS)) process.kill(process.pid, 'SIGKILL');
});
