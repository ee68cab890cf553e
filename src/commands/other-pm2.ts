import type { Settings } from '../config/settings.ts';
import { findDaemon } from '../pm2/daemon.ts';
import { joinProblem, type MonitorProblem } from '../status/monitor-problem.ts';
import type { Snapshot } from '../status/snapshot.ts';

/** Adds to a monitor's problems that not the PM2 of this command runs it, but that of another PM2_HOME with the same config. */
export const withOtherPm2 = (snapshot: Snapshot, { pm2Home }: Settings): Snapshot => {
  const { monitor, generatedAt } = snapshot;
  const supervisor = monitor?.supervisor;
  // The same folder may be spelled in two ways.
  if (!supervisor || supervisor.home === pm2Home || supervisor.pid === findDaemon(pm2Home)) return snapshot;
  const text = {
    reason: `the monitor (pid ${monitor.pid}) is of the PM2 in ${supervisor.home} (its daemon is pid ${supervisor.pid}), and what the PM2 of this command, in ${pm2Home}, runs of this config stands by`,
    nextStep: `to have one only: npm stop, with PM2_HOME=${pm2Home} or PM2_HOME=${supervisor.home}`,
  };
  const problem: MonitorProblem = { kind: 'copies', ...text, text: joinProblem(text), since: generatedAt };
  return { ...snapshot, monitor: { ...monitor, problems: [...monitor.problems, problem] } };
};
