import type { Settings } from '../config/settings.ts';
import { quoteForShell } from '../lib/command-lines.ts';
import { createPm2 } from '../pm2/client.ts';
import { findDaemon } from '../pm2/daemon.ts';
import { isAppOf } from '../pm2/ecosystem.ts';
import { joinProblem, type MonitorProblem } from '../status/monitor-problem.ts';
import type { Snapshot } from '../status/snapshot.ts';

/**
 * Adds to a monitor's problems that not the PM2 of this command runs it, but that of another PM2_HOME with the same config, when
 * the PM2 of this command has apps of the project too. One that has none, or cannot be asked, is no problem.
 */
export const withOtherPm2 = async (snapshot: Snapshot, settings: Settings): Promise<Snapshot> => {
  const { pm2Home } = settings;
  const { monitor, generatedAt } = snapshot;
  const supervisor = monitor?.supervisor;
  // The same folder may be spelled in two ways.
  if (!supervisor || supervisor.home === pm2Home || supervisor.pid === findDaemon(pm2Home)) return snapshot;
  const apps = await listRunning(settings);
  if (apps.length === 0) return snapshot;
  const text = {
    reason: `the monitor (pid ${monitor.pid}) is of the PM2 in ${supervisor.home} (its daemon is pid ${supervisor.pid}), and what the PM2 of this command, in ${pm2Home}, runs of this config stands by (${apps.join(', ')})`,
    nextStep: `to have one only: npm stop, with PM2_HOME=${quoteForShell(pm2Home)} or PM2_HOME=${quoteForShell(supervisor.home)}`,
  };
  const problem: MonitorProblem = { kind: 'copies', ...text, text: joinProblem(text), since: generatedAt };
  return { ...snapshot, monitor: { ...monitor, problems: [...monitor.problems, problem] } };
};

/** The apps of the project that the PM2 of this command runs; none when it cannot be asked. */
const listRunning = async ({ pm2Home, appEnv }: Settings): Promise<readonly string[]> => {
  const pm2 = createPm2(pm2Home);
  const view = await pm2.list();
  pm2.close();
  if (!view.ok) return [];
  return [...view.apps]
    .filter(([name, { env, pid }]) => pid !== null && isAppOf(appEnv, name, env))
    .map(([name]) => name);
};
