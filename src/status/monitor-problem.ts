import { pm2Command } from '../lib/command-lines.ts';

interface ProblemKind {
  /** The sentence in the first line of the status. */
  readonly headline: string;
  /** The beginning of the problem's own line in the status. */
  readonly label: string;
  /** What it concerns. Problems of several kinds that concern the same are one problem, which changes its kind. */
  readonly concerns: string;
  /**
   * The ports while it lasts. `unsupervised`: what is known of them is true, and the status is not healthy all the same.
   * `unseen`: that too, and what is known of them is what was seen last.
   */
  readonly ports: 'watched' | 'unsupervised' | 'unseen';
}

/** The kinds of problems that a monitor which answers has with itself, or with what it needs; the gravest first. */
export const MONITOR_PROBLEM_KINDS = {
  checks_fail: {
    headline: 'Checks fail in the monitor.',
    label: 'checks fail in the monitor itself',
    concerns: 'checks',
    ports: 'unseen',
  },
  pm2_lost: {
    headline: 'PM2 does not supervise the ports.',
    label: 'PM2 does not supervise the ports',
    concerns: 'PM2',
    ports: 'unsupervised',
  },
  pm2_hangs: {
    headline: 'PM2 hangs.',
    label: 'PM2 hangs',
    concerns: 'PM2',
    ports: 'unsupervised',
  },
  out_of_files: {
    headline: 'The monitor is out of open files.',
    label: 'the monitor is out of open files',
    concerns: 'open files',
    ports: 'unseen',
  },
  short_of_files: {
    headline: 'The monitor is short of open files.',
    label: 'the monitor is at its limit of open files',
    concerns: 'open files',
    ports: 'watched',
  },
  disk_full: {
    headline: 'The disk is full.',
    label: 'the disk is full',
    concerns: 'disk',
    ports: 'watched',
  },
  state_not_saved: {
    headline: 'The monitor cannot save its state.',
    label: 'the state cannot be saved',
    concerns: 'disk',
    ports: 'watched',
  },
  config_broken: {
    headline: 'The config has mistakes.',
    label: 'config',
    concerns: 'config',
    ports: 'watched',
  },
  config_missing: {
    headline: 'The config file is gone.',
    label: 'the config file is gone',
    concerns: 'config',
    ports: 'watched',
  },
  config_not_applied: {
    headline: 'The config was edited and not applied.',
    label: 'config',
    concerns: 'config',
    ports: 'watched',
  },
  copies: {
    headline: 'An app runs more than once.',
    label: 'an app runs more than once',
    concerns: 'copies',
    ports: 'watched',
  },
  no_http: {
    headline: "The monitor's HTTP is not served.",
    label: 'no HTTP of the monitor',
    concerns: 'HTTP',
    ports: 'watched',
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;

export type MonitorProblemKind = keyof typeof MONITOR_PROBLEM_KINDS;

/** What is wrong, and what to do; each without a full stop at the end. */
export interface ProblemText {
  readonly reason: string;
  readonly nextStep: string;
}

/** "the PM2 daemon is not running: npm start" */
export const joinProblem = ({ reason, nextStep }: ProblemText): string => `${reason}: ${nextStep}`;

/** One problem of a monitor that answers. */
export interface MonitorProblem extends ProblemText {
  readonly kind: MonitorProblemKind;
  /** Both in one. */
  readonly text: string;
  /** When it was first seen without an end since, in wall-clock milliseconds. */
  readonly since: number;
}

/** The text of each kind of problem; null, or none, for a problem that there is not. */
type ProblemTexts = Readonly<Partial<Record<MonitorProblemKind, ProblemText | null>>>;

/**
 * Creates a function that lists the problems, and remembers since when there has been each of them.
 * @param now Default: the wall clock
 */
export const createProblemList = (
  now: () => number = Date.now,
): ((texts: ProblemTexts) => readonly MonitorProblem[]) => {
  let sinceByConcern: ReadonlyMap<string, number> = new Map();
  return (texts) => {
    const problems = (Object.keys(MONITOR_PROBLEM_KINDS) as MonitorProblemKind[]).flatMap((kind) => {
      const text = texts[kind] ?? null;
      const since = sinceByConcern.get(MONITOR_PROBLEM_KINDS[kind].concerns) ?? now();
      return text === null
        ? []
        : [{ kind, text: joinProblem(text), reason: text.reason, nextStep: text.nextStep, since }];
    });
    sinceByConcern = new Map(
      problems.map(({ kind, since }) => [MONITOR_PROBLEM_KINDS[kind].concerns, since]),
    );
    return problems;
  };
};

/** A monitor whose process exists and does not answer; null: unknown. */
export interface UnresponsiveMonitor {
  /** Its PM2 app. */
  readonly app: string;
  readonly pid: number | null;
  /** The state letter of proc_pid_stat(5). */
  readonly state: string | null;
}

/** Describes the problem of the monitor, and the next step. */
export const describeMonitorProblem = ({ app, pid, state }: UnresponsiveMonitor): string => {
  const restartCommand = pm2Command('restart', app);
  if (pid === null || state === null) return `it is there, and does not answer: ${restartCommand}`;
  const subject = `the monitor's process ${pid}`;
  if (state === 'T' || state === 't')
    return `${subject} is stopped by a signal (state ${state}): kill -CONT ${pid}, or ${restartCommand}`;
  if (state === 'D')
    return `${subject} waits for the kernel (state D), and no signal ends that: look at the disk and at dmesg`;
  return `${subject} runs (state ${state}), and does not answer: ${restartCommand}`;
};
