import { openChannels } from '../../alerting/channels/registry.ts';
import { createDeadMan, pingTo } from '../../alerting/heartbeat.ts';
import { type Notifier, startNotifier } from '../../alerting/notifier.ts';
import { readSecrets, requireConfig } from '../../config/load.ts';
import { VERSION } from '../../config/project-root.ts';
import { keepServing } from '../../http/listen-with-retry.ts';
import { leaveOrphan } from '../../ipc/orphan.ts';
import type { MonitorProtocol } from '../../ipc/protocol.ts';
import { serveControlWhenFree } from '../../ipc/server.ts';
import { formatAddress } from '../../lib/address.ts';
import { createLog, keepRecent } from '../../logging/logger.ts';
import { createMetrics } from '../../metrics/prometheus.ts';
import { type Monitor, startMonitor } from '../../monitor/monitor.ts';
import { serveTools } from '../../monitor/pm2-io.ts';
import { createPm2 } from '../../pm2/client.ts';
import { pm2Apps } from '../../pm2/ecosystem.ts';
import { createRestarter } from '../../pm2/restart.ts';
import { NO_ALERTS, type Snapshot } from '../../status/snapshot.ts';
import { isWell } from '../../status/summary.ts';
import { readProcessFigures } from '../../system/proc/process-usage.ts';
import { leaveOnSignal, leaveWithPm2 } from '../../system/shutdown.ts';
import { makeHome } from '../../system/state-dir.ts';

const LOG_LINES = 10;
/** How often it is asked whether all is well. */
const HEARTBEAT_LOOK_MS = 1_000;

/** `steadyport monitor`: watches every proxy of the config until it is told to leave. */
export const run = async (): Promise<undefined> => {
  const { config, settings } = requireConfig();
  const { http, intervalMs } = config.monitor;
  const home = makeHome(settings.home);
  const { recent, write } = keepRecent(LOG_LINES);
  const log = createLog(settings.logFormat, write);
  const about = { pid: process.pid, version: VERSION, startedAt: Date.now(), intervalMs };
  let monitor: Monitor | undefined;
  let notifier: Notifier | undefined;
  let page: { readonly url: string | null } | undefined;
  const status = (): Snapshot => {
    const { proxies = [], ...looked } = monitor?.status() ?? {
      lastCheckAt: about.startedAt,
      pm2Problem: null,
    };
    return {
      version: 1,
      generatedAt: Date.now(),
      monitor: { ...about, ...looked, http: page?.url ?? null, alerts: notifier?.status() ?? NO_ALERTS },
      monitorProblem: null,
      proxies,
      log: recent,
    };
  };

  const handlers = { status, leave_orphan: leaveOrphan(settings, () => leave()) };
  // `steadyport stop` asks who answers, and one that waits does not.
  const stay = leaveWithPm2();
  const control = await serveControlWhenFree<MonitorProtocol>(home.monitorSocket, handlers, () =>
    log('another_monitor', `Another monitor answers on ${home.monitorSocket}; waiting for it to leave`),
  );
  stay();
  const { secrets, errors, warnings } = readSecrets(settings);
  // A URL that is wrong costs its channel, and not the monitor.
  for (const problem of [...errors, ...warnings]) log('secrets', problem);
  const deadMan = secrets.heartbeat && createDeadMan(pingTo(secrets.heartbeat), log);
  const leave = leaveOnSignal(async () => {
    monitor?.stop();
    deadMan?.stop();
    // The socket last: another monitor, which waits for it, would send the same and write the same files.
    await notifier?.stop();
    await control.close();
  });
  const pm2 = createPm2(settings.pm2Home);
  const apps = pm2Apps(config, settings);
  monitor = startMonitor({
    config,
    apps,
    home,
    pm2,
    restart: createRestarter(pm2),
    log,
    onChange: () => notifier?.look(),
    onSuperseded: leave,
  });
  notifier = startNotifier({
    path: home.alerts,
    config: config.alerts,
    channels: openChannels(secrets, http === false ? null : `http://${formatAddress(http)}`),
    log,
    seen: monitor.seen,
  });
  const { lookNow, restart } = monitor;
  const hasChannels = notifier.status().channels.length > 0;
  serveTools({ status, lookNow, restart, silence: hasChannels ? notifier.silence : null });
  if (http !== false) {
    const metrics = createMetrics();
    const render = async (): Promise<string> =>
      metrics.render(
        status(),
        monitor?.measures() ?? [],
        notifier?.counts() ?? {},
        await readProcessFigures(settings.pm2Home),
      );
    const sources = { status, proxies: config.proxies, metrics: { ...metrics, render } };
    page = await keepServing(http, sources, log);
  }
  if (deadMan)
    setInterval(() => {
      const snapshot = status();
      void deadMan.look(snapshot.generatedAt, isWell(snapshot));
    }, HEARTBEAT_LOOK_MS).unref();
  log(
    'monitor_started',
    `Monitoring ${config.proxies.map(({ id }) => id).join(', ')} every ${intervalMs} ms`,
  );
  process.send?.('ready');
};
