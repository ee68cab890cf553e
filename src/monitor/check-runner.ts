import type { ProxyConfig } from '../config/config.ts';
import { PENDING, type Pm2View } from '../pm2/client.ts';
import type { Pm2List } from '../pm2/process-list.ts';
import { NOT_LISTED, NOT_REACHABLE } from '../status/snapshot.ts';
import { removeStalePid } from '../system/pid-file.ts';
import type { Home } from '../system/state-dir.ts';
import type { Sighting, Witness } from './checks/collect.ts';
import type { Manner } from './checks/proxy.ts';
import type { Hints } from './pm2-events.ts';
import { pm2Status } from './pm2-evidence.ts';
import type { Means, Treatment } from './recovery.ts';

export interface LookMeans extends Pick<Means, 'monitor' | 'log'> {
  readonly files: ReturnType<Home['port']>;
  readonly listPm2: Pm2List['get'];
}

/** One look after the other at one proxy, and what the last one saw. */
export interface Looks {
  /** Settles when what follows from it is done. */
  look(manner: Manner): Promise<void>;
  /** The control connection has ended: what a look that is underway has seen is the process before. */
  hasEnded(): void;
  /** A look that is underway leads to nothing. */
  stop(): void;
  last(): Sighting | undefined;
  /** When the upstream was last found well, by the wall clock; null: never yet. */
  upstreamOkMs(): number | null;
  /** What PM2 said of it last. */
  pm2Word(): string;
  lastLookMs(): number;
}

/** A look: PM2's list and the witness's evidence → the treatment. */
export const createLooks = (
  proxy: ProxyConfig,
  { monitor, files, log, listPm2 }: LookMeans,
  witness: Witness,
  treatment: Treatment,
  hints: Hints,
): Looks => {
  let last: Sighting | undefined;
  let pm2Word = 'unknown';
  let lastLookMs = Date.now();
  let upstreamOkMs: number | null = null;
  let isStopped = false;
  /** How often the control connection has ended. */
  let ends = 0;

  /** Undefined when it is not worth anything any more. */
  const see = async (manner: Manner): Promise<Sighting | undefined> => {
    const maxAgeMs = (manner.eager ? monitor.fastIntervalMs : monitor.intervalMs) / 2;
    await hints.settled();
    // In the middle of a restart PM2 has the app as one that somebody stopped.
    const view = await listPm2(maxAgeMs, Math.max(treatment.curedAt(), hints.settledAt()));
    const app = view.ok ? view.apps.get(proxy.name) : undefined;
    pm2Word = wordOf(view, proxy.name) ?? pm2Word;
    const status = pm2Status(view, app, treatment.memory());
    if (view.ok && app) treatment.seenBy(view.daemonPid);
    const endsBefore = ends;
    const seen = await witness.look({ status, app }, manner);
    // It answered, and has gone since: what was seen is the process before.
    const isOver = seen.evidence.heartbeat === 'ok' && ends !== endsBefore;
    if (!isStopped) lastLookMs = Date.now();
    return isStopped || isOver ? undefined : seen;
  };

  return {
    look: async (manner) => {
      const seen = await see(manner);
      if (!seen) return;
      last = seen;
      if (seen.isProbed && seen.evidence.upstream === 'ok') upstreamOkMs = lastLookMs;
      const { pid, evidence, isProbed } = seen;
      if (removeStalePid(files.pid, pid))
        log('stale_pid', `Stale PID file found for ${proxy.place}, removing...`, { proxy: proxy.name });
      await treatment.handle({ kind: 'look', atMs: lastLookMs, pid, evidence, isProbed });
    },
    hasEnded: () => {
      ends += 1;
    },
    stop: () => {
      isStopped = true;
    },
    last: () => last,
    upstreamOkMs: () => upstreamOkMs,
    pm2Word: () => pm2Word,
    lastLookMs: () => lastLookMs,
  };
};

/** What PM2 says of an app, for people; undefined while that is still being waited for. */
const wordOf = (view: Pm2View, name: string): string | undefined => {
  if (view.ok) return view.apps.get(name)?.word ?? NOT_LISTED;
  return view.problem === PENDING ? undefined : NOT_REACHABLE;
};
