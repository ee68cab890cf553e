import { createChannels } from '../../alerting/channels/registry.ts';
import { createDeadMansSwitch, createPing } from '../../alerting/heartbeat.ts';
import { type Notifier, startNotifier } from '../../alerting/notifier.ts';
import { readSecrets, requireConfig } from '../../config/load.ts';
import { VERSION } from '../../config/project-root.ts';
import { serveWithRetry } from '../../http/listen-with-retry.ts';
import { createOrphanHandler } from '../../ipc/orphan.ts';
import type { MonitorProtocol } from '../../ipc/protocol.ts';
import { serveControlWhenFree } from '../../ipc/server.ts';
import { formatAddress } from '../../lib/address.ts';
import { createLog, recentLines } from '../../logging/logger.ts';
import { createMetrics } from '../../metrics/prometheus.ts';
import { type Monitor, startMonitor } from '../../monitor/monitor.ts';
import { servePm2Tools } from '../../monitor/pm2-io.ts';
import { createPm2 } from '../../pm2/client.ts';
import { definePm2Apps } from '../../pm2/ecosystem.ts';
import { createRestarter } from '../../pm2/restart.ts';
import { NO_ALERTS, type Snapshot } from '../../status/snapshot.ts';
import { isFreshAndHealthy } from '../../status/summary.ts';
import { readProcessUsage } from '../../system/proc/process-usage.ts';
import { exitWithPm2, shutDownOnSignal } from '../../system/shutdown.ts';
import { makeStateDir } from '../../system/state-dir.ts';

const MAX_RECENT_LINES = 10;
/** How often it is asked whether all is well. */
const HEARTBEAT_INTERVAL_MS = 1_000;

/** `steadyport monitor`: watches every proxy of the config until it is told to leave. */
export const run = async (): Promise<undefined> => {
  const { config, settings } = requireConfig();
  const { http, intervalMs } = config.monitor;
  const stateDir = makeStateDir(settings.stateDir);
  const { recent, write } = recentLines(MAX_RECENT_LINES);
  const log = createLog(settings.logFormat, write);
  const monitorInfo = { pid: process.pid, version: VERSION, startedAt: Date.now(), intervalMs };
  let monitor: Monitor | undefined;
  let notifier: Notifier | undefined;
  let httpServer: { readonly url: string | null } | undefined;
  const status = (): Snapshot => {
    const { proxies = [], ...monitorStatus } = monitor?.status() ?? {
      lastCheckAt: monitorInfo.startedAt,
      pm2Problem: null,
    };
    return {
      version: 1,
      generatedAt: Date.now(),
      monitor: {
        ...monitorInfo,
        ...monitorStatus,
        http: httpServer?.url ?? null,
        alerts: notifier?.status() ?? NO_ALERTS,
      },
      monitorProblem: null,
      proxies,
      log: recent,
    };
  };

  const handlers = { status, leave_orphan: createOrphanHandler(settings, () => shutDown()) };
  // `steadyport stop` asks who answers, and one that waits does not.
  const keepRunning = exitWithPm2();
  const controlServer = await serveControlWhenFree<MonitorProtocol>(stateDir.monitorSocket, handlers, () =>
    log('another_monitor', `Another monitor answers on ${stateDir.monitorSocket}; waiting for it to leave`),
  );
  keepRunning();
  const { secrets, errors, warnings } = readSecrets(settings);
  // A URL that is wrong costs its channel, and not the monitor.
  for (const problem of [...errors, ...warnings]) log('secrets', problem);
  const deadMansSwitch = secrets.heartbeat && createDeadMansSwitch(createPing(secrets.heartbeat), log);
  const shutDown = shutDownOnSignal(async () => {
    monitor?.stop();
    deadMansSwitch?.stop();
    // The socket last: another monitor, which waits for it, would send the same and write the same files.
    await notifier?.stop();
    await controlServer.close();
  });
  const pm2 = createPm2(settings.pm2Home);
  const apps = definePm2Apps(config, settings);
  monitor = startMonitor({
    config,
    apps,
    stateDir,
    pm2,
    restart: createRestarter(pm2),
    log,
    onChange: () => notifier?.evaluateSoon(),
    onSuperseded: shutDown,
  });
  notifier = startNotifier({
    path: stateDir.alertsFile,
    config: config.alerts,
    channels: createChannels(secrets, http === false ? null : `http://${formatAddress(http)}`),
    log,
    proxies: monitor.alertViews,
  });
  const { checkNow, restart } = monitor;
  const hasChannels = notifier.status().channels.length > 0;
  servePm2Tools({ status, checkNow, restart, silence: hasChannels ? notifier.silence : null });
  if (http !== false) {
    const metrics = createMetrics();
    const render = async (): Promise<string> =>
      metrics.render(
        status(),
        monitor?.samples() ?? [],
        notifier?.counts() ?? {},
        await readProcessUsage(settings.pm2Home),
      );
    const sources = { status, proxies: config.proxies, metrics: { ...metrics, render } };
    httpServer = await serveWithRetry(http, sources, log);
  }
  if (deadMansSwitch)
    setInterval(() => {
      const snapshot = status();
      void deadMansSwitch.tick(snapshot.generatedAt, isFreshAndHealthy(snapshot));
    }, HEARTBEAT_INTERVAL_MS).unref();
  log(
    'monitor_started',
    `Monitoring ${config.proxies.map(({ id }) => id).join(', ')} every ${intervalMs} ms`,
  );
  process.send?.('ready');
};
