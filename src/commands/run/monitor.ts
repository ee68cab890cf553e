import { MONITOR_TITLE } from '../../config/app-names.ts';
import type { Config } from '../../config/config.ts';
import { requireOwnConfig } from '../../config/project/running.ts';
import { cureOfCopies, describeHolder, type Holder, supervisorOf } from '../../ipc/identity.ts';
import { claimControlSocket } from '../../ipc/server.ts';
import { createLog, recentLines } from '../../logging/logger.ts';
import { createMonitorApp } from '../../monitor/app.ts';
import { requireShortPm2Home } from '../../pm2/daemon.ts';
import { exitWithPm2, shutDownOnSignal } from '../../system/shutdown.ts';
import { makeStateDir } from '../../system/state-dir.ts';

const MAX_RECENT_LINES = 10;

/** `steadyport monitor`: monitors every proxy of the config until it is asked to exit. */
export const run = async (): Promise<undefined> => {
  const startedAt = Date.now();
  process.title = MONITOR_TITLE;
  const { config, settings, accepted, problem } = await requireOwnConfig();
  requireShortPm2Home(settings.pm2Home);
  const stateDir = makeStateDir(settings.project.stateDir);
  const { recent, write } = recentLines(MAX_RECENT_LINES);
  const log = createLog(settings.logFormat, write);
  if (problem !== null) log('accepted_config', `⚠️  ${problem}`);
  // `steadyport stop` asks every monitor that answers to leave, and one that waits for the socket does not answer.
  const keepRunning = exitWithPm2();
  const onTaken = (holder: Holder): void => {
    // PM2 need not wait: this monitor is as ready as it can be.
    process.send?.('ready');
    const own = supervisorOf(settings);
    const text = `Another monitor answers on ${stateDir.monitorSocket}: ${describeHolder(holder, own)}`;
    log(
      'another_monitor',
      `${text}; waiting for it to leave; ${cureOfCopies(settings.project.monitorApp, holder, own)}`,
    );
  };
  const controlSocket = await claimControlSocket(stateDir.monitorSocket, onTaken);
  keepRunning();
  const app = createMonitorApp({
    config,
    settings,
    accepted,
    stateDir,
    controlSocket,
    log,
    recentLines: recent,
    startedAt,
  });
  const shutDown = shutDownOnSignal(app.stop);
  await app.start(shutDown);
  log('monitor_started', describeStart(config));
  process.send?.('ready');
};

/** "Monitoring 6274, 6277 every 1000 ms; disabled: 6280" */
const describeStart = ({ proxies, disabled, monitor }: Config): string => {
  const list = (ports: Config['proxies']): string => ports.map(({ id }) => id).join(', ');
  const disabledNote = disabled.length > 0 ? `; disabled: ${list(disabled)}` : '';
  return `Monitoring ${list(proxies) || 'no port'} every ${monitor.intervalMs} ms${disabledNote}`;
};
