import type { ProxyView } from '../alerting/policy/messages.ts';
import type { ProxyConfig } from '../config/config.ts';
import { createHealth, type Health } from '../health/state.ts';
import type { ProxySample } from '../metrics/sample.ts';
import type { ProxyStatus } from '../status/snapshot.ts';
import { type CheckRunner, type CheckRunnerDeps, createCheckRunner } from './check-runner.ts';
import { type CollectorEvents, createEvidenceCollector } from './checks/collect.ts';
import type { ProxyRecord } from './health-store.ts';
import { createEventDebouncer, type EventDebouncer } from './pm2-events.ts';
import { createRecovery, type Recovery, type RecoveryDeps } from './recovery.ts';
import { createSchedule, needsFastChecks } from './schedule.ts';
import { alertViewOf, describeProxy } from './snapshot.ts';

/** What one watch shares with the others. */
export interface ProxyMonitorDeps extends Omit<RecoveryDeps, 'relisten'>, CheckRunnerDeps {
  readonly record: ProxyRecord | undefined;
  readonly onReport: CollectorEvents['onReport'];
}

export interface ProxyMonitor {
  readonly health: () => Health;
  readonly status: () => ProxyStatus;
  readonly alertView: () => ProxyView;
  readonly sample: () => Omit<ProxySample, 'totals'>;
  readonly lastCheckAt: () => number;
  /** Looks at once, at the upstream too. */
  readonly checkNow: () => void;
  readonly restart: Recovery['restart'];
  /** What PM2 says of the app by itself. */
  readonly onPm2Event: EventDebouncer['onEvent'];
  readonly stop: () => void;
}

/** Watches one proxy: look → evidence → step → actions, and again. */
export const createProxyMonitor = (proxy: ProxyConfig, deps: ProxyMonitorDeps): ProxyMonitor => {
  const { monitor, files, log } = deps;
  let isStopped = false;
  let isCheckRequested = false;

  const onEnd = (reason: 'left' | 'lost'): void => {
    checkRunner.onConnectionEnd();
    // A goodbye counts also from one that PM2 is stopping: for a moment PM2 then shows it as given up.
    const isKnown = reason === 'lost' && health().state === 'stopped';
    if (recovery.isRestarting() || isStopped || isKnown) return;
    void recovery.handle({ kind: reason === 'lost' ? 'crash' : 'goodbye', at: Date.now() });
    schedule.runIn(monitor.fastIntervalMs);
  };
  /** From here on its sockets are closed, though it may answer for a while. */
  const onStopping = (): void => {
    if (!recovery.isRestarting() && !isStopped) void recovery.handle({ kind: 'goodbye', at: Date.now() });
  };
  const onProbeResult = (): void => schedule.runIn(0);
  const collector = createEvidenceCollector(proxy, monitor, files.socket, {
    onStopping,
    onEnd,
    onProbeResult,
    onReport: deps.onReport,
  });
  const recovery = createRecovery(
    proxy,
    deps.record ?? { health: createHealth(Date.now()), daemonPid: null },
    { ...deps, relisten: collector.relisten },
  );
  const health = (): Health => recovery.record().health;
  const isUrgent = (): boolean =>
    needsFastChecks(health()) || (checkRunner.lastCheck()?.evidence.stopping ?? 'no') !== 'no';
  const debouncer = createEventDebouncer(
    () => isUrgent() || recovery.isRestarting(),
    (ms) => schedule.runIn(ms),
  );
  const checkRunner = createCheckRunner(proxy, deps, collector, recovery, debouncer);
  const schedule = createSchedule(monitor, {
    check: (mode) => {
      const isUrgentCheck = isUrgent() || isCheckRequested;
      isCheckRequested = false;
      return checkRunner
        .check({ ...mode, isUrgent: isUrgentCheck })
        .catch((error: Error) =>
          log('check_error', `The look at ${proxy.place} failed: ${error.message}`, { error: error.stack }),
        );
    },
    quickCheck: () => collector.quickCheck(),
    isUrgent,
  });

  return {
    health,
    status: () => {
      const pm2Description = {
        statusText: checkRunner.pm2StatusText(),
        ending: debouncer.ending(health().incident),
      };
      return describeProxy(
        proxy,
        health(),
        checkRunner.lastCheck(),
        pm2Description,
        monitor.failureThreshold,
      );
    },
    alertView: () =>
      alertViewOf(proxy, health(), checkRunner.lastCheck(), debouncer.ending(health().incident)),
    sample: () => sampleOf(proxy, health(), checkRunner),
    lastCheckAt: checkRunner.lastCheckAt,
    checkNow: () => {
      isCheckRequested = true;
      schedule.runIn(0);
    },
    restart: recovery.restart,
    onPm2Event: debouncer.onEvent,
    stop: () => {
      isStopped = true;
      checkRunner.stop();
      schedule.stop();
      collector.close();
    },
  };
};

const sampleOf = (
  proxy: ProxyConfig,
  health: Health,
  checkRunner: CheckRunner,
): Omit<ProxySample, 'totals'> => {
  const lastCheck = checkRunner.lastCheck();
  const upstream = lastCheck?.evidence.upstream ?? 'unknown';
  return {
    proxy: proxy.name,
    health,
    connections: lastCheck?.report?.connections ?? null,
    processStartedAt: lastCheck?.report?.startedAt ?? null,
    resources: lastCheck?.sample ?? null,
    probe: {
      type: proxy.probe.type,
      isOk: upstream === 'unknown' ? null : upstream === 'ok',
      durationMs: lastCheck?.probeMs ?? null,
      lastOkAt: checkRunner.upstreamOkAt(),
    },
  };
};
