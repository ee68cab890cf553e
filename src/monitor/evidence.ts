import type { Address } from '../core/address.ts';
import type { MonitorConfig, ProxyConfig } from '../core/config.ts';
import type { Cause, Pm2Evidence } from '../core/decision.ts';
import type { Sight } from '../core/events.ts';
import { follow, type Leave, leavingOf } from '../core/leaving.ts';
import { describeUsage, type Usage } from '../core/limits.ts';
import type { Binding, ProxyReport } from '../host/control.ts';
import { createAcceptCheck } from './accepting.ts';
import { createGauge, processState } from './gauge.ts';
import { glance } from './glance.ts';
import { type Beat, createHeartbeat } from './heartbeat.ts';
import { listeningState } from './listening.ts';
import type { Pm2App } from './pm2.ts';
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

export interface Manner {
  /** Something is wrong, or on its way: every check is due, and answers are waited for less. */
  readonly eager: boolean;
  /** A glance has found it silent: its own checks are due, and answers are waited for less. */
  readonly hurried: boolean;
  /** The monitor came late to this look. */
  readonly late: boolean;
}

export interface Witness {
  look(pm2: { status: Pm2Evidence; app: Pm2App | undefined }, manner: Manner): Promise<Sighting>;
  /** Whether there is reason to look at once; nothing is asked of one that did not answer at the last look. */
  glance(): Promise<boolean>;
  /** Asks the proxy to give its listening sockets up and to open them anew. */
  listenAgain(): Promise<unknown>;
  close(): void;
}

/**
 * A healthy proxy answers on its control socket, and accepts, in a few milliseconds. One that has just not done so is
 * asked again, and waited for less.
 */
const timeoutMs = (eager: boolean): number => (eager ? 200 : 300);

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
  const acceptCheck = createAcceptCheck(heartbeat, monitor.upstreamIntervalMs);
  const gauge = createGauge(proxy.limits);
  /** Since when it has been silent, or not accepting; undefined while it is not. */
  let silentAt: number | undefined;
  let leave: Leave | null = null;

  let last: ProxyReport | null = null;

  const beat = async (status: Pm2Evidence, pid: number | null, waitMs: number): Promise<Beat> => {
    const isNobody = status === 'deleted' || status === 'stopped' || status === 'gave_up';
    // A process that is stopped answers nobody: to wait for it would only take time.
    return isNobody || processState(pid) === 'stopped' ? NOT_ASKED : heartbeat.beat(waitMs);
  };

  const look: Witness['look'] = async ({ status, app }, { eager, hurried, late }) => {
    const waitMs = timeoutMs(eager || hurried);
    const isStarved = watchStarvation(app?.pid ?? null);
    const { state, report, lagMs } = await beat(status, app?.pid ?? null, waitMs);
    last = report;
    const pid = report?.pid ?? app?.pid ?? null;
    gauge.measure(pid, lagMs);
    // Of what PM2 is stopping nothing more is asked: its sockets are closed, or soon will be.
    const isLeaving = status === 'stopping';
    const bound = isLeaving ? [] : boundOf(report);
    const accepted = await acceptCheck.look(bound, eager || hurried, waitMs);
    const isSilent = state === 'silent' || accepted.state === 'failed';
    silentAt = isSilent ? (silentAt ?? performance.now()) : undefined;
    const isExcused = silentAt !== undefined && isStarved(performance.now() - silentAt);
    if (report && !isLeaving) await upstream.first(bound);
    const { finding, isNew } = upstream.look(bound, eager && report !== null && !isLeaving);
    const seen = {
      pm2: status,
      process: processState(pid),
      heartbeat: isExcused && state === 'silent' ? ('unknown' as const) : state,
    };
    const leaver = { ...seen, pid, atMs: performance.now() };
    leave = follow(leave, leaver);
    const evidence: Sight = {
      monitor: late ? 'late' : 'in_time',
      ...seen,
      leaving: leavingOf(leave, leaver),
      dataPath: report?.dataPath ?? 'unknown',
      listening: listeningState(report, bound),
      accepts: isExcused ? 'unknown' : accepted.state,
      upstream: finding.upstream,
      endToEnd: finding.endToEnd,
      ...gauge.levels(),
    };
    const usage = gauge.usage();
    return {
      ...{ evidence, isProbed: isNew, pid, report, usage, probeMs: finding.probeMs },
      detail: accepted.detail ?? finding.detail,
      explain: (cause) => describeUsage(cause, usage, proxy.limits),
      accepted: accepted.at,
    };
  };

  return {
    look,
    glance: async () =>
      last !== null && glance(heartbeat, last.pid, boundOf(last), monitor.suspectIntervalMs),
    listenAgain: () => heartbeat.ask('listen_again', null),
    close: heartbeat.close,
  };
};

const boundOf = (report: ProxyReport | null): readonly Binding[] =>
  (report?.bindings ?? []).filter(({ state }) => state === 'bound');

const NOT_ASKED: Beat = { state: 'unknown', report: null, lagMs: null };
