import { type Address, isLoopback, isUnix } from '../core/address.ts';
import type { MonitorConfig, ProxyConfig } from '../core/config.ts';
import type { Cause, Evidence, Pm2Evidence } from '../core/decision.ts';
import type { Sight } from '../core/events.ts';
import { describeUsage, levelsOf, NO_TRACK, track, type Usage, usageOf } from '../core/limits.ts';
import type { Binding, ProxyReport } from '../host/control.ts';
import { HAS_PROCFS, localAddresses, readProcess, readUsage } from '../host/procfs.ts';
import { listenersOn } from '../host/socket-table.ts';
import { createHeartbeat } from './heartbeat.ts';
import type { Pm2App } from './pm2.ts';
import { checkPort, isPortTaken, probeAccept, reachable, SHARED_TABLE_MS } from './probes.ts';
import { watchStarvation } from './starvation.ts';
import { createUpstreamCheck } from './upstream-check.ts';

/** Everything one look found out. */
export interface Sighting {
  readonly evidence: Sight;
  /** The upstream was checked since the look before. */
  readonly isProbed: boolean;
  readonly pid: number | null;
  readonly report: ProxyReport | null;
  readonly usage: Usage;
  readonly probeMs: number | null;
  /** What the last failed probe said. */
  readonly detail: string | null;
  /** What a limit says, by its cause. */
  explain(cause: Cause): string | null;
  /** The address whose accepting was checked, null when none was. */
  readonly accepted: Address | null;
}

interface Accepted {
  readonly state: Evidence['accepts'];
  readonly detail: string | null;
  readonly at: Address | null;
}
const NOT_CHECKED: Accepted = { state: 'unknown', detail: null, at: null };

export interface Manner {
  /** Something is wrong, or on its way: every check is due, and answers are waited for less. */
  readonly eager: boolean;
  /** The monitor came late to this look. */
  readonly late: boolean;
}

export interface Witness {
  look(pm2: { status: Pm2Evidence; app: Pm2App | undefined }, manner: Manner): Promise<Sighting>;
  /** Asks the proxy to give its listening sockets up and to open them anew. */
  listenAgain(): Promise<unknown>;
  close(): void;
}

/**
 * A healthy proxy answers on its control socket, and accepts, in a few milliseconds. One that has just not done so is
 * asked again, and waited for less.
 */
const timeoutMs = (eager: boolean): number => (eager ? 200 : 300);
/** Memory, CPU and open files do not change in a second. */
const USAGE_MS = 5_000;

/**
 * Gathers the evidence on one proxy. `onEnd` when its control connection ends; `onNews` when a check of its upstream,
 * which no look waits for, has come to an end.
 */
export const createWitness = (
  proxy: ProxyConfig,
  monitor: MonitorConfig,
  socketPath: string,
  { onEnd, onNews }: { onEnd(how: 'left' | 'lost'): void; onNews(): void },
): Witness => {
  const heartbeat = createHeartbeat(socketPath, onEnd);
  const upstream = createUpstreamCheck(proxy, monitor, heartbeat, onNews);
  let usage = NO_TRACK;
  let measuredAt = Number.NEGATIVE_INFINITY;
  let accepted = NOT_CHECKED;
  let acceptedAt = Number.NEGATIVE_INFINITY;
  /** Since when it has been silent, or not accepting; undefined while it is not. */
  let silentAt: number | undefined;

  const measure = (pid: number | null, lagMs: number | null): void => {
    // What the process before has used is no reason to restart the one that took its place.
    const isDue = performance.now() - measuredAt >= USAGE_MS || usage.samples.at(-1)?.pid !== pid;
    if (pid === null || !isDue) return;
    measuredAt = performance.now();
    usage = track(usage, { atMs: measuredAt, pid, ...readUsage(pid), lagMs: lagMs ?? undefined });
  };

  const accepts = async (bound: readonly Address[], eager: boolean): Promise<Accepted> => {
    const [first] = bound;
    if (!first || isUnix(first)) return NOT_CHECKED;
    const isDue = performance.now() - acceptedAt >= monitor.upstreamIntervalMs;
    if (!isDue && !eager && accepted.state === 'ok' && backlogOf(bound) === 0) return accepted;
    acceptedAt = performance.now();
    accepted = await checkAccept(reachable(first), timeoutMs(eager), (localPort) =>
      heartbeat.ask('expect_check', { localPort, forward: false }),
    ).catch(() => NOT_CHECKED);
    return accepted;
  };

  return {
    look: async ({ status, app }, { eager, late }) => {
      const isNobody = status === 'deleted' || status === 'stopped' || status === 'gave_up';
      // A process that is stopped answers nobody: to wait for it would only take time.
      const isStopped = processState(app?.pid ?? null) === 'stopped';
      const isStarved = watchStarvation(app?.pid ?? null);
      const { state, report, lagMs } =
        isNobody || isStopped
          ? ({ state: 'unknown', report: null, lagMs: null } as const)
          : await heartbeat.beat(timeoutMs(eager));
      const pid = report?.pid ?? app?.pid ?? null;
      measure(pid, lagMs);
      const bound = (report?.bindings ?? []).filter((binding) => binding.state === 'bound');
      const accepting = await accepts(bound, eager);
      const isSilent = state === 'silent' || accepting.state === 'failed';
      silentAt = isSilent ? (silentAt ?? performance.now()) : undefined;
      const isExcused = silentAt !== undefined && isStarved(performance.now() - silentAt);
      if (report) await upstream.first(bound);
      const { finding, isNew } = upstream.look(bound, eager && report !== null);
      return {
        evidence: {
          monitor: late ? 'late' : 'in_time',
          pm2: status,
          process: processState(pid),
          heartbeat: isExcused && state === 'silent' ? 'unknown' : state,
          dataPath: report?.dataPath ?? 'unknown',
          listening: listeningState(report, bound),
          accepts: isExcused ? 'unknown' : accepting.state,
          upstream: finding.upstream,
          endToEnd: finding.endToEnd,
          ...levelsOf(usage, proxy.limits),
        },
        isProbed: isNew,
        pid,
        report,
        usage: usageOf(usage),
        probeMs: finding.probeMs,
        detail: accepting.detail ?? finding.detail,
        explain: (cause) => describeUsage(cause, usageOf(usage), proxy.limits),
        accepted: accepting.at,
      };
    },
    listenAgain: () => heartbeat.ask('listen_again', null),
    close: heartbeat.close,
  };
};

/** A connection that only a process which accepts answers. */
const checkAccept = async (
  at: Address,
  timeoutMs: number,
  announce: (localPort: number) => Promise<unknown>,
): Promise<Accepted> => {
  const localPort = checkPort();
  await announce(localPort);
  const result = await probeAccept(at, localPort, timeoutMs);
  if (result.ok) return { state: 'ok', detail: null, at };
  // An address that has just gone from this host is the host's affair: the proxy follows within seconds.
  if (!isLoopback(at.host) && !localAddresses().includes(at.host)) return NOT_CHECKED;
  return isPortTaken(result) ? NOT_CHECKED : { state: 'failed', detail: result.error, at };
};

/** The connections that wait to be accepted; NaN without /proc. */
const backlogOf = (bound: readonly Address[]): number =>
  bound
    .flatMap(({ host, port }) => ownListeners(host, port)?.map(({ backlog }) => backlog) ?? Number.NaN)
    .reduce((sum, backlog) => sum + backlog, 0);

const ownListeners = (host: string, port: number) =>
  listenersOn(port, performance.now() - SHARED_TABLE_MS)?.filter(
    (listener) => listener.host === host.replace(/%.*$/, ''),
  );

const processState = (pid: number | null): Evidence['process'] => {
  if (pid === null || !HAS_PROCFS) return 'unknown';
  switch (readProcess(pid)?.state) {
    case undefined:
    case 'X':
      return 'gone';
    case 'Z':
      return 'zombie';
    case 'T':
    case 't':
      return 'stopped';
    case 'D':
      return 'uninterruptible';
    default:
      return 'alive';
  }
};

/** What the proxy says of its addresses; those that it calls bound must be in the kernel's table as well. */
const listeningState = (report: ProxyReport | null, bound: readonly Address[]): Evidence['listening'] => {
  if (!report) return 'unknown';
  const has = (state: Binding['state']): boolean =>
    report.bindings.some((binding) => binding.state === state);
  if (bound.some((address) => isUnix(address) || ownListeners(address.host, address.port)?.length !== 0))
    return has('in_use') ? 'some' : 'all';
  if (has('in_use')) return 'in_use';
  return has('not_needed') ? 'not_needed' : 'none';
};
