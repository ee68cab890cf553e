import { basename, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MONITOR_APP } from '../../config/app-names.ts';
import type { Config } from '../../config/config.ts';
import { requireConfig } from '../../config/load.ts';
import { requireSecrets } from '../../config/load-secrets.ts';
import { ROOT } from '../../config/project-root.ts';
import type { Settings } from '../../config/settings.ts';
import { isUsageError } from '../../lib/usage-error.ts';
import type { OfflineStatus } from '../../monitor/offline-status.ts';
import { createPm2, listOwnApps, type Pm2View, runPm2Command } from '../../pm2/client.ts';
import { definePm2Apps, REVISION } from '../../pm2/ecosystem.ts';
import { renderBrief } from '../../status/render.ts';
import type { ProxyStatus, Snapshot } from '../../status/snapshot.ts';
import { isDecided } from '../../status/summary.ts';
import { locateStateDir, requireFolder } from '../../system/state-dir.ts';
import { askMonitor, askStatusAndEvidence, checkOffline, isAnswer, type NoAnswer } from '../ask-monitor.ts';
import { columnsOf, paint } from '../terminal.ts';
import { deleteApps } from './teardown.ts';

/**
 * `steadyport start` brings PM2 in line with the config. Apps that are no longer in the config are deleted, apps that have
 * changed or do not run are started anew, and all others stay as they are (`pm2 start ecosystem.config.js` would restart
 * every app). It prints what works now, and what does not.
 * @returns 0 when the monitor and every proxy run. An upstream that is down, or a port that another process holds, is no
 * failed start: either may be mended in any order. 1 when one of them did not come up, 4 when PM2 itself failed.
 */
export const run = async (): Promise<number> => {
  const { config, settings } = requireConfig();
  for (const warning of requireSecrets(settings).warnings) process.stderr.write(`steadyport: ${warning}\n`);
  requireFolder('PM2_HOME', settings.pm2Home);
  requireFolder('STEADYPORT_HOME', settings.stateDir);
  const apps = definePm2Apps(config, settings);
  const listedApps = await listOwnApps(settings.pm2Home, settings.configPath);
  const isCurrent = (name: string): boolean => {
    const listedApp = listedApps.get(name);
    const expectedRevision = apps.find((app) => app.name === name)?.env[REVISION];
    return (
      listedApp?.statusText === 'online' &&
      expectedRevision !== undefined &&
      listedApp.env[REVISION] === expectedRevision
    );
  };
  const outdated = new Map([...listedApps].filter(([name]) => !isCurrent(name)));
  await deleteApps(settings.pm2Home, locateStateDir(settings.stateDir), outdated);
  const namesToStart = apps.map(({ name }) => name).filter((name) => !isCurrent(name));
  if (namesToStart.length === 0) {
    process.stdout.write('Everything runs as configured; nothing was touched.\n');
  } else {
    process.stdout.write(`Starting: ${namesToStart.join(', ')}\n`);
    const args = ['start', join(ROOT, 'ecosystem.config.js'), '--only', namesToStart.join(',')];
    const { exitCode, output } = await runPm2Command(args);
    if (exitCode !== 0) {
      process.stderr.write(output);
      return PM2_FAILED;
    }
  }
  const outcome = await waitForVerdicts(config, settings);
  process.stdout.write(renderOutcome(outcome, settings));
  return hasComeUp(outcome, apps) ? 0 : 1;
};

/** Of its own, since PM2's exit code for every failure is 1. */
const PM2_FAILED = 4;

/** What runs after the start. */
interface Outcome {
  readonly view: Pm2View;
  readonly snapshot: Snapshot;
}

/** A probe without an answer takes twice the default `probeTimeoutMs`. After this time the status says what is known. */
const MAX_WAIT_MS = 5_000;
const ASK_INTERVAL_MS = 50;

/** Asks PM2 and the monitor until there is a verdict on every proxy as it runs now, or until MAX_WAIT_MS have passed. */
const waitForVerdicts = async (config: Config, settings: Settings): Promise<Outcome> => {
  const pm2 = createPm2(settings.pm2Home);
  try {
    for (const startedAt = performance.now(); ; await sleep(ASK_INTERVAL_MS)) {
      const view = await pm2.list();
      const answer = await askVerdicts(settings);
      if (isAnswer(answer) && isEveryProxyDecided(view, answer)) return { view, snapshot: answer.snapshot };
      if (performance.now() - startedAt < MAX_WAIT_MS) continue;
      const { snapshot } = isAnswer(answer) ? answer : await checkOffline(config, settings, answer);
      return { view, snapshot };
    }
  } finally {
    pm2.close();
  }
};

/** A monitor of another version is one that is about to be replaced. */
const askVerdicts = async (settings: Settings): Promise<OfflineStatus | NoAnswer> => {
  try {
    return await askMonitor(settings, askStatusAndEvidence);
  } catch (error) {
    if (isUsageError(error)) return 'silent';
    throw error;
  }
};

/**
 * True when PM2's monitor answers, and has checked the processes that PM2 has now and not those before them. A proxy that
 * is stopped for the monitor was checked by PM2's list from before the start.
 */
const isEveryProxyDecided = (view: Pm2View, { snapshot, evidence }: OfflineStatus): boolean => {
  const pidOf = (name: string): number | null => (view.ok ? (view.apps.get(name)?.pid ?? null) : null);
  const isProxyDecided = (proxy: ProxyStatus): boolean =>
    evidence[proxy.name]?.pid === pidOf(proxy.name) && proxy.state !== 'stopped' && isDecided(proxy);
  return snapshot.monitor?.pid === pidOf(MONITOR_APP) && snapshot.proxies.every(isProxyDecided);
};

/** True when PM2 runs every app, PM2's monitor answers, and no proxy crashes. */
const hasComeUp = ({ view, snapshot }: Outcome, apps: readonly { readonly name: string }[]): boolean => {
  const isRunning = ({ name }: { readonly name: string }): boolean =>
    view.ok && view.apps.get(name)?.statusText === 'online';
  return (
    apps.every(isRunning) &&
    !isAnotherMonitor({ view, snapshot }) &&
    snapshot.monitor !== null &&
    !snapshot.proxies.some(({ cause }) => cause === 'crashed' || cause === 'crash_loop')
  );
};

/** True when the monitor that answers is not PM2's, which waits until that one leaves. */
const isAnotherMonitor = ({ view, snapshot: { monitor } }: Outcome): boolean =>
  monitor !== null && view.ok && monitor.pid !== view.apps.get(MONITOR_APP)?.pid;

const renderOutcome = (outcome: Outcome, settings: Settings): string => {
  const { snapshot } = outcome;
  const logsOfMonitor = commandLine('logs', settings, 'monitor');
  const monitorProblem = snapshot.monitorProblem ?? `it did not come up; see why: ${logsOfMonitor}`;
  const brief = renderBrief({ ...snapshot, monitorProblem }, columnsOf(settings), paint, Date.now());
  const waiting = isAnotherMonitor(outcome)
    ? `! ${MONITOR_APP}  waits until another monitor leaves, pid ${snapshot.monitor?.pid}: ${logsOfMonitor}\n`
    : '';
  return `${brief}${waiting}\nNext: ${commandLine('status', settings)}  or  ${commandLine('logs', settings)}\n`;
};

/** A command in the words in which this one was typed: npm's, the name of the installed program, or its file. */
const commandLine = (command: string, { npmScript }: Settings, ...args: readonly string[]): string => {
  if (npmScript === 'start')
    return ['npm run', command, ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
  const program = process.argv[1] ?? 'steadyport';
  const isInstalled = basename(program) === 'steadyport';
  return [isInstalled ? 'steadyport' : `node ${relative('', program)}`, command, ...args].join(' ');
};
