/**
 * The room monitor/checks: the evidence on one proxy from PM2, the process, the control socket, the port and the upstream.
 * This file combines the answers into the evidence.
 */

import type { MonitorConfig, ProxyConfig } from '../../config/config.ts';
import type { CheckEvidence } from '../../health/events.ts';
import { describeUsage, type ResourceSample, type Usage } from '../../health/resource-limits.ts';
import { type StopProgress, stoppingOf, trackStop } from '../../health/stop-deadline.ts';
import type { Cause, Pm2Evidence } from '../../health/types.ts';
import type { ConnectionEnd } from '../../ipc/client.ts';
import { createHeartbeat } from '../../ipc/heartbeat.ts';
import type { Address } from '../../lib/address.ts';
import type { Pm2App } from '../../pm2/client.ts';
import type { ProxyReport } from '../../proxy/report.ts';
import { readProcessState } from '../../system/proc/process-state.ts';
import { adviseOnRefusals, describeListenProblem, listeningState } from './listening.ts';
import { type CheckMode, createProxyChecks, type ProxyChecks } from './proxy.ts';
import { createResourceSampler } from './resources.ts';
import { createStartCheck } from './start.ts';
import { createUpstreamCheck } from './upstream.ts';

/** Everything that one check of a proxy found out. */
export interface CheckReport {
  readonly evidence: CheckEvidence;
  /** True when a process ended during the check: the evidence, PM2's list included, is of before that. */
  readonly isOutdated: boolean;
  /** True when the upstream was checked since the check before this one. */
  readonly isProbed: boolean;
  readonly pid: number | null;
  /** The proxy's report on itself; null without an answer. */
  readonly proxyReport: ProxyReport | null;
  readonly usage: Usage;
  readonly probeMs: number | null;
  /** The latest sample of the process; null before the first. */
  readonly resourceSample: ResourceSample | null;
  /** Why PM2 cannot start it, or else why the last check of accepting failed, or that of the upstream; null when none failed. */
  readonly detail: string | null;
  /** Why the proxy does not have all its addresses; null when it has them, or that is not known. */
  readonly listenProblem: string | null;
  /** What to do about that; null when nothing is known that would help. */
  readonly listenAdvice: string | null;
  /** Why PM2 cannot start the process; null while it runs, and when nothing is known. */
  readonly startProblem: string | null;
  /** What to do about that; null when nothing is known that would help. */
  readonly startAdvice: string | null;
  /** The text of how far the limit of the cause is exceeded; null for a cause without a limit. */
  explain(cause: Cause): string | null;
  /** The address whose accepting was checked; null when none was. */
  readonly checkedAddress: Address | null;
}

/** Gathers the evidence on one proxy. */
export interface EvidenceCollector {
  collect(pm2: { status: Pm2Evidence; app: Pm2App | undefined }, mode: CheckMode): Promise<CheckReport>;
  readonly quickCheck: ProxyChecks['quickCheck'];
  /** Asks the proxy to close its listening sockets and to open them anew. Rejects when it cannot be asked. */
  relisten(): Promise<unknown>;
  /** Sets the listener that is called with each event. Default: none. */
  subscribe(onEvent: (event: CollectorEvent) => void): void;
  close(): void;
}

/** An event of a proxy or its upstream between two checks. */
export type CollectorEvent =
  /** The proxy has announced its shutdown: its listening sockets are closed, though it may answer for a while. */
  | { readonly kind: 'shutdown_announced' }
  /** The control connection has ended. */
  | { readonly kind: 'connection_ended'; readonly end: ConnectionEnd }
  /** A probe of the upstream, which no check waits for, has ended. */
  | { readonly kind: 'probe_ended' }
  /** The proxy's report on itself, at each check and at its end. */
  | { readonly kind: 'report'; readonly report: ProxyReport }
  /** A step of a check failed in the monitor itself, which is no evidence against the proxy. */
  | { readonly kind: 'monitor_error'; readonly error: unknown };

export const createEvidenceCollector = (
  proxy: ProxyConfig,
  monitor: MonitorConfig,
  socketPath: string,
): EvidenceCollector => {
  let notify = (_: CollectorEvent): void => {};
  let connectionEnds = 0;
  let stopProgress: StopProgress | null = null;
  const heartbeat = createHeartbeat(
    socketPath,
    (end) => {
      connectionEnds += 1;
      notify({ kind: 'connection_ended', end });
    },
    () => notify({ kind: 'shutdown_announced' }),
    (report) => notify({ kind: 'report', report }),
    (error) => notify({ kind: 'monitor_error', error }),
  );
  const proxyChecks = createProxyChecks(proxy, heartbeat, monitor);
  const upstream = createUpstreamCheck(proxy, monitor, heartbeat, () => notify({ kind: 'probe_ended' }));
  const sampler = createResourceSampler(proxy.limits);
  const checkStart = createStartCheck(proxy.name);

  return {
    collect: async ({ status, app }, mode) => {
      const endsBefore = connectionEnds;
      const proxyResult = await proxyChecks.run(status, app, mode);
      const { pid, report: proxyReport, boundAddresses, acceptResult } = proxyResult;
      sampler.measure(pid, proxyResult.responseMs);
      const isAnswering = proxyReport !== null && status !== 'stopping';
      if (isAnswering) await upstream.ensureFirstCheck(boundAddresses);
      const { result: upstreamResult, isNew } = upstream.check(boundAddresses, mode.isUrgent && isAnswering);
      const processEvidence = {
        pm2: status,
        process: readProcessState(pid),
        heartbeat: proxyResult.heartbeat,
      };
      const stopSample = { ...processEvidence, pid, at: performance.now() };
      stopProgress = trackStop(stopProgress, stopSample);
      const start = checkStart(status, app, processEvidence);
      const usage = sampler.usage();
      return {
        evidence: {
          monitor: mode.isLate ? 'late' : 'in_time',
          ...processEvidence,
          startFiles: start.startFiles,
          stopping: stoppingOf(stopProgress, stopSample),
          dataPath: proxyReport?.dataPath ?? 'unknown',
          listening: listeningState(proxyReport, boundAddresses),
          accepts: proxyResult.accepts,
          upstream: upstreamResult.upstream,
          endToEnd: upstreamResult.endToEnd,
          ...sampler.levels(),
        },
        isOutdated: connectionEnds !== endsBefore,
        isProbed: isNew,
        pid,
        proxyReport,
        usage,
        probeMs: upstreamResult.probeMs,
        resourceSample: sampler.latest(),
        detail: start.problem ?? acceptResult.detail ?? upstreamResult.detail,
        listenProblem: proxyReport && describeListenProblem(proxyReport),
        listenAdvice: proxyReport && adviseOnRefusals(proxyReport),
        startProblem: start.problem,
        startAdvice: start.advice,
        explain: (cause) => describeUsage(cause, usage, proxy.limits),
        checkedAddress: acceptResult.address,
      };
    },
    quickCheck: proxyChecks.quickCheck,
    relisten: () => heartbeat.ask('listen_again', null),
    subscribe: (onEvent) => {
      notify = onEvent;
    },
    close: heartbeat.close,
  };
};
