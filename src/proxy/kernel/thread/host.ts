import { closeSync, writeSync } from 'node:fs';
import { endianness } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Address } from '../../../lib/address.ts';
import { createDebug, isDebugEnabled } from '../../../system/debug.ts';
import type { ResolveResult } from '../../../system/dns.ts';
import { readEphemeralPortRange } from '../../../system/proc/procfs.ts';
import type { EngineHooks, Policy } from '../../engine.ts';
import type { EngineCounts } from '../../report.ts';
import { type Command, readRecords, type ThreadEvent, type ThreadOptions, toError } from './channel.ts';
import { SharedCounters } from './shared-counters.ts';

/** A loop is stuck when it has not taken a turn for this long after it was woken. */
const STUCK_MS = 1_000;

/** The number 1 as an eventfd takes it: 8 bytes in the byte order of the machine (eventfd(2)). */
const WAKE_SIGNAL = Buffer.alloc(8);
WAKE_SIGNAL.writeUInt8(1, endianness() === 'LE' ? 0 : 7);

/**
 * The limits of the thread's heap. The young generation grows to its limit only under load, and is then collected rarely:
 * with 2 MB the collection took a third of the thread's time. Connections live in the old generation, 1 kB each.
 */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 48, maxOldGenerationSizeMb: 512 };

const debug = createDebug('dial');

/** The thread of a data path, as the main thread sees it. */
interface Thread {
  readonly counters: SharedCounters;
  counts(): EngineCounts;
  /** Sends a command and wakes the thread; does nothing when the thread has ended. */
  post(command: Command): void;
  /** Sends a command that is answered. Resolves with the address that was bound; rejects with the system's error. */
  request(command: {
    readonly kind: 'listen' | 'unlisten';
    readonly address: Address;
  }): Promise<Address | null>;
  dataPath(): 'ok' | 'stuck';
  readonly whenEnded: Promise<unknown>;
}

type DoneEvent = Extract<ThreadEvent, { kind: 'done' }>;

/** Starts the thread of a data path. Rejects when the thread cannot work here. */
export const startThread = async (policy: Policy, hooks: EngineHooks): Promise<Thread> => {
  const counters = new SharedCounters();
  const worker = startWorker({
    policy,
    counters: counters.buffer,
    shouldReportOpen: hooks.onOpen !== undefined,
    shouldLogDials: isDebugEnabled('dial'),
    ephemeralPorts: readEphemeralPortRange(),
  });
  let reportedEnds = 0;
  let isDrained = false;
  // A thread that starts while the process exits cannot be woken yet. It sees the stop flag, or ends with the process.
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
  const requests = createRequests(post);
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
        return requests.onDone(event);
      case 'resolve':
        return void resolveUpstream(policy.upstream).then((resolved) => post({ kind: 'resolved', resolved }));
      case 'dial':
        return debug(event.message, ...event.values);
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
    request: requests.send,
    // A proxy that shuts down makes its last report after the thread has ended, when there is nothing to wake.
    dataPath: createStuckCheck(counters, () => LIVE_THREADS.has(liveThread) && liveThread.wake()),
    whenEnded,
  };
};

const startWorker = (workerData: ThreadOptions): Worker =>
  new Worker(new URL('./worker.js', import.meta.url), {
    workerData,
    resourceLimits: RESOURCE_LIMITS,
    trackUnmanagedFds: false,
  });

/** Joins the commands that are answered with their `done` events. */
const createRequests = (post: Thread['post']) => {
  const pending = new Map<number, (event: DoneEvent) => void>();
  let lastId = 0;
  const send: Thread['request'] = ({ kind, address }) =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      pending.set(id, ({ bound, failure }) => {
        pending.delete(id);
        if (failure) reject(toError(failure));
        else resolve(bound);
      });
      post({ kind, id, address: { host: address.host, port: address.port } });
    });
  return { send, onDone: (event: DoneEvent): void => pending.get(event.id)?.(event) };
};

/** Loads the resolver on the first lookup: it takes 4 MB, and most upstreams need none. */
const resolveUpstream = async (address: Address): Promise<ResolveResult> =>
  (await import('../../../system/dns.ts')).resolveAddress(address, 0);

/** Resolves with the thread's eventfd; rejects when the thread cannot work here. */
const waitUntilReady = (worker: Worker): Promise<number> =>
  new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (event: ThreadEvent) => {
      worker.off('error', reject);
      if (event.kind === 'ready') resolve(event.wakeFd);
    });
  });

/** Each call wakes the loop, which must have taken a turn by a call that comes more than STUCK_MS later. */
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
 * process.exit() and an uncaught exception wait without limit for a thread that is inside a call of the C library. So every
 * exit wakes the loops first. A loop that does not end within EXIT_TIMEOUT_MS is killed together with the process.
 */
const LIVE_THREADS = new Set<{ readonly counters: SharedCounters; wake(): void }>();

const EXIT_TIMEOUT_MS = 1_000;

process.on('exit', () => {
  for (const { counters, wake } of LIVE_THREADS) {
    counters.stop();
    wake();
  }
  for (const { counters } of LIVE_THREADS)
    if (!counters.waitForEnd(EXIT_TIMEOUT_MS)) process.kill(process.pid, 'SIGKILL');
});
