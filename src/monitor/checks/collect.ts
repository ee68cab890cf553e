import type { MonitorConfig, ProxyConfig } from '../../config/config.ts';
import type { Sight } from '../../health/events.ts';
import { describeUsage, type Sample, type Usage } from '../../health/resource-limits.ts';
import { follow, type Leave, leavingOf } from '../../health/stop-deadline.ts';
import type { Cause, Pm2Evidence } from '../../health/types.ts';
import { createHeartbeat } from '../../ipc/heartbeat.ts';
import type { Address } from '../../lib/address.ts';
import type { Pm2App } from '../../pm2/client.ts';
import type { ProxyReport } from '../../proxy/report.ts';
import { processState } from '../../system/proc/process-state.ts';
import { listeningState } from './listening.ts';
import { createQuestioning, type Manner, type Questioning } from './proxy.ts';
import { createGauge } from './resources.ts';
import { createUpstreamCheck } from './upstream.ts';

/** Everything one look found out. */
export interface Sighting {
  readonly evidence: Sight;
  /** The upstream was checked since the look before. */
  readonly isProbed: boolean;
  readonly pid: number | null;
  readonly report: ProxyReport | null;
  readonly usage: Usage;
  readonly probeMs: number | null;
  /** The latest sample of its process; null before the first. */
  readonly sample: Sample | null;
  /** What the last failed probe said. */
  readonly detail: string | null;
  /** What a limit says, by its cause. */
  explain(cause: Cause): string | null;
  /** The address whose accepting was checked, null when none was. */
  readonly accepted: Address | null;
}

export interface Witness {
  look(pm2: { status: Pm2Evidence; app: Pm2App | undefined }, manner: Manner): Promise<Sighting>;
  readonly glance: Questioning['glance'];
  /** Asks the proxy to give its listening sockets up and to open them anew. */
  listenAgain(): Promise<unknown>;
  close(): void;
}

/** What comes by itself. */
export interface Hears {
  /** The proxy says goodbye. */
  onLeaving(): void;
  /** Its control connection has ended. */
  onEnd(how: 'left' | 'lost'): void;
  /** A check of its upstream, which no look waits for, has come to an end. */
  onNews(): void;
  /** What it says of itself: at each look, and at its end. */
  onReport(report: ProxyReport): void;
}

/** Gathers the evidence on one proxy. */
export const createWitness = (
  proxy: ProxyConfig,
  monitor: MonitorConfig,
  socketPath: string,
  { onLeaving, onEnd, onNews, onReport }: Hears,
): Witness => {
  const heartbeat = createHeartbeat(socketPath, onEnd, onLeaving, onReport);
  const questioning = createQuestioning(heartbeat, monitor);
  const upstream = createUpstreamCheck(proxy, monitor, heartbeat, onNews);
  const gauge = createGauge(proxy.limits);
  let leave: Leave | null = null;

  const look: Witness['look'] = async ({ status, app }, manner) => {
    const answers = await questioning.ask(status, app, manner);
    const { pid, report, bound, accepted } = answers;
    gauge.measure(pid, answers.lagMs);
    const isAsked = report !== null && status !== 'stopping';
    if (isAsked) await upstream.first(bound);
    const { finding, isNew } = upstream.look(bound, manner.eager && isAsked);
    const seen = { pm2: status, process: processState(pid), heartbeat: answers.heartbeat };
    const leaver = { ...seen, pid, atMs: performance.now() };
    leave = follow(leave, leaver);
    const evidence: Sight = {
      monitor: manner.late ? 'late' : 'in_time',
      ...seen,
      leaving: leavingOf(leave, leaver),
      dataPath: report?.dataPath ?? 'unknown',
      listening: listeningState(report, bound),
      accepts: answers.accepts,
      upstream: finding.upstream,
      endToEnd: finding.endToEnd,
      ...gauge.levels(),
    };
    const [usage, sample] = [gauge.usage(), gauge.latest()];
    return {
      ...{ evidence, isProbed: isNew, pid, report, usage, sample, probeMs: finding.probeMs },
      detail: accepted.detail ?? finding.detail,
      explain: (cause) => describeUsage(cause, usage, proxy.limits),
      accepted: accepted.at,
    };
  };

  const listenAgain = () => heartbeat.ask('listen_again', null);
  return { look, glance: questioning.glance, listenAgain, close: heartbeat.close };
};
