import { join } from 'node:path';
import { MONITOR_APP } from '../../config/app-names.ts';
import { requireConfig } from '../../config/load.ts';
import { requireSecrets } from '../../config/load-secrets.ts';
import { ROOT } from '../../config/project-root.ts';
import type { Settings } from '../../config/settings.ts';
import { listOwnApps, runPm2Command } from '../../pm2/client.ts';
import { definePm2Apps, REVISION } from '../../pm2/ecosystem.ts';
import { renderBrief } from '../../status/render.ts';
import { makeStateDir, requireFolder } from '../../system/state-dir.ts';
import { commandLine } from '../command-line.ts';
import { columnsOf, paint, withOwnCommands } from '../terminal.ts';
import { hasComeUp, isAnotherMonitor, type Outcome, waitForVerdicts } from './start-outcome.ts';
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
  const stateDir = makeStateDir(settings.stateDir);
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
  await deleteApps(settings.pm2Home, stateDir, outdated);
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
  process.stdout.write(withOwnCommands(renderOutcome(outcome, settings), settings));
  return hasComeUp(outcome, apps) ? 0 : 1;
};

/** Of its own, since PM2's exit code for every failure is 1. */
const PM2_FAILED = 4;

const renderOutcome = (outcome: Outcome, settings: Settings): string => {
  const { snapshot } = outcome;
  const logsOfMonitor = commandLine(settings, 'logs', 'monitor');
  const shown =
    snapshot.monitor === null && snapshot.monitorProblem === null
      ? { ...snapshot, monitorProblem: `it did not come up; see why: ${logsOfMonitor}` }
      : snapshot;
  const brief = renderBrief(shown, columnsOf(settings), paint, Date.now());
  const waiting = isAnotherMonitor(outcome)
    ? `! ${MONITOR_APP}  waits until another monitor leaves, pid ${snapshot.monitor?.pid}: ${logsOfMonitor}\n`
    : '';
  return `${brief}${waiting}\nNext: ${commandLine(settings, 'status')}  or  ${commandLine(settings, 'logs')}\n`;
};
