import type { MonitorConfig, ProxyConfig } from '../../config/config.ts';
import type { CheckEvidence } from '../../health/events.ts';
import { describeUsage, type Sample, type Usage } from '../../health/resource-limits.ts';
import { type StopProgress, stoppingOf, trackStop } from '../../health/stop-deadline.ts';
import type { Cause, Pm2Evidence } from '../../health/types.ts';
import { createHeartbeat } from '../../ipc/heartbeat.ts';
import type { Address } from '../../lib/address.ts';
import type { Pm2App } from '../../pm2/client.ts';
import type { ProxyReport } from '../../proxy/report.ts';
import { readProcessState } from '../../system/proc/process-state.ts';
import { listeningState } from './listening.ts';
import { type CheckMode, createProxyChecks, type ProxyChecks } from './proxy.ts';
import { createResourceSampler } from './resources.ts';
import { createUpstreamCheck } from './upstream.ts';

/** Everything one look found out. */
export interface CheckReport {
  readonly evidence: CheckEvidence;
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
  readonly checkedAddress: Address | null;
}

export interface EvidenceCollector {
  collect(pm2: { status: Pm2Evidence; app: Pm2App | undefined }, mode: CheckMode): Promise<CheckReport>;
  readonly quickCheck: ProxyChecks['quickCheck'];
  /** Asks the proxy to give its listening sockets up and to open them anew. */
  relisten(): Promise<unknown>;
  close(): void;
}

/** What comes by itself. */
export interface CollectorEvents {
  /** The proxy says goodbye. */
  onStopping(): void;
  /** Its control connection has ended. */
  onEnd(reason: 'left' | 'lost'): void;
  /** A check of its upstream, which no look waits for, has come to an end. */
  onProbeResult(): void;
  /** What it says of itself: at each look, and at its end. */
  onReport(report: ProxyReport): void;
}

/** Gathers the evidence on one proxy. */
export const createEvidenceCollector = (
  proxy: ProxyConfig,
  monitor: MonitorConfig,
  socketPath: string,
  { onStopping, onEnd, onProbeResult, onReport }: CollectorEvents,
): EvidenceCollector => {
  const heartbeat = createHeartbeat(socketPath, onEnd, onStopping, onReport);
  const proxyChecks = createProxyChecks(heartbeat, monitor);
  const upstream = createUpstreamCheck(proxy, monitor, heartbeat, onProbeResult);
  const sampler = createResourceSampler(proxy.limits);
  let stopProgress: StopProgress | null = null;

  const collect: EvidenceCollector['collect'] = async ({ status, app }, mode) => {
    const proxyResult = await proxyChecks.run(status, app, mode);
    const { pid, report, boundAddresses, acceptResult } = proxyResult;
    sampler.measure(pid, proxyResult.heartbeatMs);
    const isAnswering = report !== null && status !== 'stopping';
    if (isAnswering) await upstream.ensureFirstCheck(boundAddresses);
    const { result: upstreamResult, isNew } = upstream.check(boundAddresses, mode.isUrgent && isAnswering);
    const processEvidence = { pm2: status, process: readProcessState(pid), heartbeat: proxyResult.heartbeat };
    const stopSample = { ...processEvidence, pid, at: performance.now() };
    stopProgress = trackStop(stopProgress, stopSample);
    const evidence: CheckEvidence = {
      monitor: mode.isLate ? 'late' : 'in_time',
      ...processEvidence,
      stopping: stoppingOf(stopProgress, stopSample),
      dataPath: report?.dataPath ?? 'unknown',
      listening: listeningState(report, boundAddresses),
      accepts: proxyResult.accepts,
      upstream: upstreamResult.upstream,
      endToEnd: upstreamResult.endToEnd,
      ...sampler.levels(),
    };
    const [usage, sample] = [sampler.usage(), sampler.latest()];
    return {
      ...{ evidence, isProbed: isNew, pid, report, usage, sample, probeMs: upstreamResult.probeMs },
      detail: acceptResult.detail ?? upstreamResult.detail,
      explain: (cause) => describeUsage(cause, usage, proxy.limits),
      checkedAddress: acceptResult.address,
    };
  };

  const relisten = () => heartbeat.ask('listen_again', null);
  return { collect, quickCheck: proxyChecks.quickCheck, relisten, close: heartbeat.close };
};
