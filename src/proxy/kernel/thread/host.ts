import { closeSync, writeSync } from 'node:fs';
import { endianness } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Address } from '../../../lib/address.ts';
import type { Resolved } from '../../../system/dns.ts';
import { ephemeralPorts } from '../../../system/proc/procfs.ts';
import type { EngineCounts } from '../../connection-stats.ts';
import type { EngineHooks, Policy } from '../../engine.ts';
import { type Command, type Report, readRecords, type Start, toError } from './channel.ts';
import { Cells } from './shared-counters.ts';

/** A loop that has not taken a turn for so long after it was woken is stuck. */
const STUCK_MS = 1_000;

/** What an eventfd takes: the number 1 (eventfd(2)). */
const ONE = Buffer.alloc(8);
ONE.writeUInt8(1, endianness() === 'LE' ? 0 : 7);

/**
 * The young generation grows to this only under load, and is then collected seldom: with 2 MB that took a third of the
 * thread's time. Connections live in the old one, a kilobyte each.
 */
const LIMITS = { maxYoungGenerationSizeMb: 48, maxOldGenerationSizeMb: 512 };

interface Thread {
  readonly cells: Cells;
  counts(): EngineCounts;
  tell(command: Command): void;
  /** @returns the address that was bound. Rejects with the system's error */
  ask(command: { readonly kind: 'listen' | 'unlisten'; readonly address: Address }): Promise<Address | null>;
  dataPath(): 'ok' | 'stuck';
  readonly ended: Promise<unknown>;
}

export const startThread = async (policy: Policy, hooks: EngineHooks): Promise<Thread> => {
  const cells = new Cells();
  const workerData: Start = {
    policy,
    cells: cells.buffer,
    isOpenTold: hooks.onOpen !== undefined,
    ephemeralPorts: ephemeralPorts(),
  };
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData,
    resourceLimits: LIMITS,
    trackUnmanagedFds: false,
  });
  const answers = new Map<number, (report: Extract<Report, { kind: 'done' }>) => void>();
  let [lastId, told] = [0, 0];
  let isDrained = false;
  // One that begins while the process ends cannot be woken: it sees that it is to stop, or ends with the process.
  const live = { cells, wake: (): void => {} };
  LIVE.add(live);
  const wakeFd = await ready(worker).catch((error: unknown) => {
    LIVE.delete(live);
    throw error;
  });
  live.wake = () => void writeSync(wakeFd, ONE);
  let cause = new Error('the thread of the data path has ended');
  const ended = new Promise<void>((done) => {
    worker.once('exit', () => {
      LIVE.delete(live);
      closeSync(wakeFd);
      if (!isDrained) hooks.onDeath(cause);
      done();
    });
  });
  worker.on('error', (error) => {
    cause = new Error('the thread of the data path has failed', { cause: error });
  });

  const tell = (command: Command): void => {
    if (!LIVE.has(live)) return;
    worker.postMessage(command);
    cells.countCommand();
    live.wake();
  };
  const onReport = (report: Report): void => {
    switch (report.kind) {
      case 'records':
        for (const record of readRecords(report.fields)) {
          told += 1;
          hooks.onEnd(record);
        }
        return;
      case 'open':
        return hooks.onOpen?.(report.client, report.upstream);
      case 'error':
        return hooks.onError(toError(report.failure));
      case 'done':
        return answers.get(report.id)?.(report);
      case 'resolve':
        return void lookUp(policy.upstream).then((resolved) => tell({ kind: 'resolved', resolved }));
      case 'drained':
        isDrained = true;
        return;
      case 'ready':
        return;
    }
  };
  worker.on('message', onReport);

  return {
    cells,
    counts: () => cells.counts(told),
    tell,
    ask: ({ kind, address }) =>
      new Promise((done, fail) => {
        const id = ++lastId;
        answers.set(id, ({ bound, failure }) => {
          answers.delete(id);
          if (failure) fail(toError(failure));
          else done(bound);
        });
        tell({ kind, id, address: { host: address.host, port: address.port } });
      }),
    // The last report of a proxy that leaves is made when the thread has ended.
    dataPath: watchTurns(cells, () => LIVE.has(live) && live.wake()),
    ended,
  };
};

/** Most upstreams have no name, and a resolver takes 4 MB. */
const lookUp = async (address: Address): Promise<Resolved> =>
  (await import('../../../system/dns.ts')).resolve(address);

/** Settles with the eventfd; rejects when the thread cannot do its work here. */
const ready = (worker: Worker): Promise<number> =>
  new Promise((done, fail) => {
    worker.once('error', fail);
    worker.once('message', (report: Report) => {
      worker.off('error', fail);
      if (report.kind === 'ready') done(report.wake);
    });
  });

/** Wakes the loop at each question: at the next one it must have taken a turn. */
const watchTurns = (cells: Cells, wake: () => unknown): (() => 'ok' | 'stuck') => {
  let asked = { turns: -1, atMs: 0 };
  return () => {
    const { turns } = cells;
    const isStuck = turns === asked.turns && performance.now() - asked.atMs > STUCK_MS;
    if (turns !== asked.turns) asked = { turns, atMs: performance.now() };
    wake();
    return isStuck ? 'stuck' : 'ok';
  };
};

/**
 * While a thread sits in a call of the C library, process.exit() and an uncaught exception wait for it for ever. So every
 * way out wakes the loops first; one that does not end even so is ended with the process.
 */
const LIVE = new Set<{ readonly cells: Cells; wake(): void }>();

const EXIT_LIMIT_MS = 1_000;

process.on('exit', () => {
  for (const { cells, wake } of LIVE) {
    cells.stop();
    wake();
  }
  for (const { cells } of LIVE) if (!cells.waitForEnd(EXIT_LIMIT_MS)) process.kill(process.pid, 'SIGKILL');
});
