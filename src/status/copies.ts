import { pm2Command, quoteForShell } from '../lib/command-lines.ts';
import type { ProblemText } from './monitor-problem.ts';

interface Supervisor {
  readonly pid: number;
  readonly home: string;
}

/** The process that answers for a proxy. Those of earlier versions do not say which PM2 daemon supervises them. */
export interface Reporter {
  readonly pid: number;
  readonly supervisor?: Supervisor | null | undefined;
}

/**
 * Whether an app runs more than once: in one PM2 after `pm2 scale`, or in the PM2 of another PM2_HOME; null when none does.
 * @param instances how many apps PM2 has under each name
 * @param reporters what answers for each proxy; null: nothing does
 * @param own the PM2 daemon of the monitor; null: unknown, and no other one is looked for
 */
export const describeCopies = (
  instances: ReadonlyMap<string, number>,
  reporters: ReadonlyMap<string, Reporter | null>,
  own: Supervisor | null,
): ProblemText | null => {
  const problems = [
    ...[...instances].flatMap(([name, count]) => describeInstances(name, count)),
    ...[...reporters].flatMap(([name, reporter]) => describeForeign(name, reporter, own)),
  ];
  if (problems.length === 0) return null;
  return {
    reason: problems.map(({ reason }) => reason).join('; '),
    nextStep: problems.map(({ nextStep }) => nextStep).join('; '),
  };
};

const describeInstances = (name: string, count: number): readonly ProblemText[] => {
  if (count <= 1) return [];
  const reason = `${count} copies of ${name} run in PM2, of which one works and the others stand by`;
  return [{ reason, nextStep: `${pm2Command('scale', name, '1')}, or npm start` }];
};

const describeForeign = (
  name: string,
  reporter: Reporter | null,
  own: Supervisor | null,
): readonly ProblemText[] => {
  const other = reporter?.supervisor;
  if (!reporter || !other || own === null || other.pid === own.pid) return [];
  const holder = `pid ${reporter.pid} of the PM2 in ${other.home} (its daemon is pid ${other.pid})`;
  return [
    {
      reason: `the port of ${name} is held by ${holder}, and the app of this PM2, in ${own.home}, stands by`,
      nextStep: `npm stop with PM2_HOME=${quoteForShell(other.home)}`,
    },
  ];
};
