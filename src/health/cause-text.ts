import { npmCommand, pm2Command, statusCommandOf } from '../lib/command-lines.ts';
import type { Cause, Remedy } from './types.ts';

/** The texts of a cause: for the log, and for the status and the alerts. */
interface CauseTexts {
  /** The text after "Proxy for port 6274 ". */
  readonly logText: (upstream: string) => string;
  /** The note that the log adds to a failure. */
  readonly note?: string;
  readonly explain: (context: CauseContext) => Explanation;
}

interface CauseContext {
  /** The PM2 app's name. */
  readonly name: string;
  readonly upstream: string;
  /** "port 6274" or "the socket". */
  readonly place: string;
  /** The process that holds the port, when it is not the proxy. */
  readonly portOwner: string | null;
  /** True when the proxy listens on the port that its upstream has on loopback. */
  readonly sharesPort: boolean;
  /** The advice on addresses that the system refuses; null, or missing, when there is none. */
  readonly listenAdvice?: string | null;
  /** What to do so that PM2 can start it; null, or missing, when nothing is known. */
  readonly startAdvice?: string | null;
  /** The cause's detail; null, or missing, when there is none. */
  readonly detail?: string | null;
  /** The step after which PM2 restarts what dies; null, or missing, while PM2 does so already. */
  readonly supervisionCure?: string | null;
}

/**
 * The explanation of a cause. The cause's detail (the result of the failed check, or the way in which the process ended) is no
 * part of these texts; each view joins them in its own way.
 */
export interface Explanation {
  /** The problem: no full sentence, no full stop. Null when the cause alone explains it. */
  readonly what: string | null;
  /** The next step, of steadyport or of the reader: a sentence or two, without a full stop at the end. */
  readonly next: string;
  /** The detail `adds` to `what`, `replaces` it, since it states the same with figures, or is `separate` from it. */
  readonly detail: 'adds' | 'replaces' | 'separate';
}

/** What is done through PM2, or what to do first while PM2 does nothing. */
const throughPm2 = (promise: string, { supervisionCure }: CauseContext): string =>
  supervisionCure ? `Nothing restarts it until PM2 works again: ${supervisionCure}` : promise;

const KILLED_AND_RESTARTED = 'The monitor kills it and restarts it';
/** For an application that wants every address, such as 0.0.0.0: the system refuses it while the proxy has some of them. */
const adviceOnSharedPort = (name: string): string =>
  `If it reports EADDRINUSE, let it listen on localhost only, or stop this proxy first: ${pm2Command('stop', name)}`;
const SLOWLY_RESTARTED =
  'PM2 restarts it ever more slowly, at most every 15 s; another restart would not help';
/** Who is killed by SIGKILL writes no reason into its log. */
const whereIsReason = ({ name, detail }: CauseContext): string =>
  detail === 'killed by SIGKILL'
    ? 'Somebody killed it, or the system did for want of memory (see dmesg)'
    : `The reason may be in its log: ${npmCommand('logs', name)}`;
const TRIED_AGAIN = `The monitor tries again, ever more slowly. The reason may be in PM2's own log: ${pm2Command('logs', 'PM2')}`;
const LIMITS_ADVICE = 'If it needs that much, raise "limits" in the config';

const CAUSE_TEXTS: Readonly<Record<Cause, CauseTexts>> = {
  crashed: {
    logText: () => 'is not running',
    explain: (context) => ({
      what: 'the process is gone',
      next: `${throughPm2('PM2 and the monitor bring it back', context)}. ${whereIsReason(context)}`,
      detail: 'adds',
    }),
  },
  crash_loop: {
    logText: () => 'crashes again and again',
    explain: (context) => ({
      what: 'the process dies again and again',
      next: `${throughPm2(SLOWLY_RESTARTED, context)}. ${whereIsReason(context)}`,
      detail: 'adds',
    }),
  },
  cannot_start: {
    logText: () => 'cannot be started',
    explain: (context) => ({
      what: 'PM2 cannot start it',
      next: throughPm2(context.startAdvice ?? TRIED_AGAIN, context),
      detail: 'adds',
    }),
  },
  stopped_by_signal: {
    logText: () => 'is not responding',
    note: 'the process is stopped (SIGSTOP, or a debugger)',
    explain: (context) => ({
      what: 'the process is stopped by a signal',
      next: throughPm2(KILLED_AND_RESTARTED, context),
      detail: 'separate',
    }),
  },
  blocked_in_kernel: {
    logText: () => 'is not responding',
    note: 'the process waits for the kernel (state D)',
    explain: () => ({
      what: 'the process waits for the kernel (state D), and no signal ends that',
      next: 'Look at the disk and at dmesg; a restart would have to wait, too',
      detail: 'separate',
    }),
  },
  hung: {
    logText: () => 'is not responding',
    explain: (context) => ({
      what: 'the process does not answer',
      next: throughPm2(KILLED_AND_RESTARTED, context),
      detail: 'separate',
    }),
  },
  data_path_stuck: {
    logText: () => 'is not moving any bytes',
    explain: (context) => ({
      what: 'the thread that moves the bytes does not answer',
      next: throughPm2(KILLED_AND_RESTARTED, context),
      detail: 'separate',
    }),
  },
  not_listening: {
    logText: () => 'is not listening',
    explain: ({ name, listenAdvice }) => ({
      what: 'no address could be bound',
      next: listenAdvice
        ? `${listenAdvice}. The proxy tries again every 2 s`
        : `The proxy tries again every 2 s. Its log says more: ${npmCommand('logs', name)}`,
      detail: 'replaces',
    }),
  },
  port_in_use: {
    logText: () => 'cannot listen: the port is in use',
    explain: ({ place, portOwner, listenAdvice }) => ({
      what: `${place} is held by ${portOwner ?? 'another process'}`,
      next: `${describeOwnerCure(portOwner)}, or listen elsewhere; the proxy takes what is missing as soon as it is free${listenAdvice ? `. ${listenAdvice}` : ''}`,
      detail: 'replaces',
    }),
  },
  no_control_socket: {
    logText: () => 'has no control socket',
    explain: ({ name }) => ({
      what: 'it accepts connections, and its control socket is gone',
      next: `It makes the socket anew within seconds. If it does not: ${npmCommand('logs', name)}`,
      detail: 'separate',
    }),
  },
  not_accepting: {
    logText: () => 'is not accepting connections',
    explain: (context) => ({
      what: 'the proxy runs, and accepts no connections',
      next: throughPm2('The monitor asks it to listen anew, then restarts it', context),
      detail: 'adds',
    }),
  },
  open_files_limit: {
    logText: () => 'is running out of open files',
    explain: () => ({
      what: 'its open files are near their limit',
      next: 'Raise the limit (ulimit -n), or lower "maxConnections"',
      detail: 'replaces',
    }),
  },
  memory_limit: {
    logText: () => 'uses too much memory',
    explain: () => ({ what: 'its memory is over its limit', next: LIMITS_ADVICE, detail: 'replaces' }),
  },
  cpu_limit: {
    logText: () => 'uses too much CPU',
    explain: () => ({ what: 'its CPU is over its limit', next: LIMITS_ADVICE, detail: 'replaces' }),
  },
  slow_responses: {
    logText: () => 'answers slowly',
    explain: () => ({ what: 'its answers take too long', next: LIMITS_ADVICE, detail: 'replaces' }),
  },
  upstream_down: {
    logText: (upstream) => `has no upstream: ${upstream} does not answer`,
    explain: ({ name, upstream, sharesPort }) => ({
      what: `${upstream} does not answer`,
      next: `Start the application, or correct "upstream"; the proxy is fine${sharesPort ? `. ${adviceOnSharedPort(name)}` : ''}`,
      detail: 'replaces',
    }),
  },
  upstream_unhealthy: {
    logText: (upstream) =>
      `has an upstream that is not well: ${upstream} accepts, and does not answer as expected`,
    explain: ({ upstream }) => ({
      what: `${upstream} accepts, and does not answer as expected`,
      next: 'Look at the application, or correct "probe"; the proxy is fine',
      detail: 'replaces',
    }),
  },
  forwarding_broken: {
    logText: (upstream) => `does not forward, though ${upstream} answers`,
    explain: (context) => ({
      what: `${context.upstream} answers, but not through the proxy`,
      next: throughPm2('The monitor restarts it', context),
      detail: 'adds',
    }),
  },
};

/** "Proxy for port 6274 is not responding" */
export const describeCause = (
  cause: Cause,
  { place, upstream }: { place: string; upstream: string },
): string => `Proxy for ${place} ${CAUSE_TEXTS[cause].logText(upstream)}`;

/** "Proxy for port 6274 is not responding (failure #1)" */
export const describeFailure = (
  cause: Cause,
  subject: { place: string; upstream: string },
  failureNumber: number,
): string => {
  const { note } = CAUSE_TEXTS[cause];
  return `${describeCause(cause, subject)} (failure #${failureNumber})${note ? `: ${note}` : ''}`;
};

/** Explains a cause: the problem, and the next step. */
export const explainCause = (cause: Cause, context: CauseContext): Explanation =>
  CAUSE_TEXTS[cause].explain(context);

/** Joins the problem with its detail: "the process is gone (exit code 1)". Null when there is neither. */
export const describeReason = (
  { what, detail: relation }: Explanation,
  detail: string | null,
): string | null => {
  if (what === null || detail === null) return what ?? detail;
  return relation === 'replaces' ? detail : `${what} (${detail})`;
};

/** What was done to a proxy: "restarted". */
export const REMEDY_TEXTS: Readonly<Record<Remedy, string>> = {
  start: 'started',
  relisten: 'asked to listen again',
  restart: 'restarted',
  force_restart: 'killed and restarted',
  kill: 'killed',
};

/** What to do about the process that holds a port. Another user's steadyport may be what is wanted. */
const describeOwnerCure = (portOwner: string | null): string => {
  const user = / \(steadyport: .*\) of user (\S+)$/.exec(portOwner ?? '')?.[1];
  return user === undefined
    ? 'Stop that process'
    : `See what that user's steadyport does: ${statusCommandOf(user)}`;
};
