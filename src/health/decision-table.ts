import { isUpstreamFault } from './causes.ts';
import type { Cause, Evidence, FailingVerdict, Verdict } from './types.ts';

/** One row of the decision table. */
export interface DecisionRow {
  /** The finding, as a sentence for docs/decision-table.md. */
  readonly finding: string;
  /** True when the evidence shows this finding; rows above it have not matched. */
  matches(evidence: Evidence): boolean;
  readonly verdict: Verdict;
  /** Why this verdict and no other, as a sentence for docs/decision-table.md. */
  readonly why: string;
}

const failingVerdict = (
  cause: Cause,
  remedies: FailingVerdict['remedies'],
  actAt: FailingVerdict['actAt'] = 'threshold',
  state: FailingVerdict['state'] = 'down',
): FailingVerdict => ({
  kind: 'failing',
  cause,
  remedies,
  actAt,
  state,
});
const healthyVerdict = (state: 'up' | 'degraded' | 'not_needed', cause: Cause | null = null): Verdict => ({
  kind: 'healthy',
  state,
  cause,
});
const neutralVerdict = (
  state: 'stopped' | 'starting' | 'waiting' | 'same',
  cause: Cause | null = null,
): Verdict => ({
  kind: 'neutral',
  state,
  cause,
});

/**
 * The definition of a crash loop: `threshold` crashes within `windowMs`. It ends when a process has run for `stableMs`, and when a
 * process is told to end. PM2 resets its own restart delay after the same time.
 */
export const CRASH_LOOP = { threshold: 5, windowMs: 120_000, stableMs: 30_000 };

/** The first row that matches decides. `npm run generate` writes docs/decision-table.md from it. */
export const DECISION_TABLE: readonly DecisionRow[] = [
  {
    finding: 'the check itself came late, because the monitor was busy or the machine slept',
    matches: ({ monitor }) => monitor === 'late',
    verdict: neutralVerdict('same'),
    why: 'the evidence shows how late the monitor was, not how the proxy is; the next check decides',
  },
  {
    finding: 'the monitor is out of open files, and could not look',
    matches: ({ monitor }) => monitor === 'out_of_files',
    verdict: neutralVerdict('same'),
    why: 'the evidence shows what the monitor lacks, not how the proxy is; it neither fails nor recovers',
  },
  {
    finding:
      'PM2 is stopping it, and it does not exit: it is stopped by a signal, has missed two heartbeats, or has had more time than a proxy needs',
    matches: ({ pm2, stopping }) => pm2 === 'stopping' && stopping === 'overdue',
    verdict: { kind: 'ending', state: 'stopped', cause: null, remedies: ['kill'] },
    why: "the operator wants it gone; without a SIGKILL it would hold the port until PM2's kill_timeout ends, by default 11 s",
  },
  {
    finding: 'it is stopped, is being stopped, or was deleted in PM2',
    matches: ({ pm2 }) => pm2 === 'stopped' || pm2 === 'stopping' || pm2 === 'deleted',
    verdict: neutralVerdict('stopped'),
    why: 'the operator wants it so, and the monitor never undoes that',
  },
  {
    finding:
      'it does not run, and what PM2 needs to start it does not exist, or may not be used: its interpreter, script, folder or log',
    matches: ({ startFiles, heartbeat }) => startFiles === 'missing' && heartbeat !== 'ok',
    verdict: failingVerdict('cannot_start', [], 'first_failure'),
    why: 'no start would help until that is mended; the monitor then starts it at once',
  },
  {
    finding:
      'PM2 could not start its process ("online" or "launching" without a pid, or "waiting restart" for more than 20 s)',
    matches: ({ pm2, heartbeat }) => pm2 === 'start_failed' && heartbeat !== 'ok',
    verdict: failingVerdict('cannot_start', ['start'], 'first_failure'),
    why: 'PM2 does not notice, and does not try again',
  },
  {
    finding:
      'PM2 gave it up ("errored", or "waiting restart" with pid 0), or does not list it and it does not answer',
    matches: ({ pm2, heartbeat }) => pm2 === 'gave_up' || (pm2 === 'missing' && heartbeat !== 'ok'),
    verdict: failingVerdict('crashed', ['start'], 'first_failure'),
    why: 'nothing else will start it; one that answers although PM2 does not list it belongs to a daemon that died, and goes on serving',
  },
  {
    finding: 'it crashes again and again, and does not serve',
    matches: (evidence) => evidence.crashes === 'loop' && !isServing(evidence),
    verdict: failingVerdict('crash_loop', [], 'first_failure'),
    why: 'PM2 restarts it with growing pauses, and one more restart would not help',
  },
  {
    finding: `it has crashed again and again, and the present process serves, but has not yet run for ${CRASH_LOOP.stableMs / 1_000} s`,
    matches: ({ crashes }) => crashes === 'loop',
    verdict: failingVerdict('crash_loop', [], 'first_failure', 'degraded'),
    why: 'a process that runs for a moment is no recovery, and a port that serves is not down',
  },
  {
    finding: 'its process has ended, and PM2 waits before it restarts it',
    matches: ({ pm2 }) => pm2 === 'waiting_restart',
    verdict: failingVerdict('crashed', [], 'first_failure'),
    why: 'PM2 restarts it by itself',
  },
  {
    finding: 'its process is gone, or a zombie',
    matches: ({ process }) => process === 'gone' || process === 'zombie',
    verdict: failingVerdict('crashed', ['start']),
    why: 'PM2 notices too, and gets the time to restart it; a zombie never answers again',
  },
  {
    finding: 'its process is stopped by a signal',
    matches: ({ process }) => process === 'stopped',
    verdict: failingVerdict('stopped_by_signal', ['force_restart']),
    why: 'PM2 still lists it as online, and the kernel still completes connections to it; only SIGKILL ends it',
  },
  {
    finding: 'it does not answer, and its process is in a system call that no signal ends',
    matches: ({ heartbeat, process }) => heartbeat === 'silent' && process === 'uninterruptible',
    verdict: failingVerdict('blocked_in_kernel', []),
    why: 'SIGKILL would have to wait too; the disk or the kernel is at fault',
  },
  {
    finding: 'it does not answer on the control socket in time',
    matches: ({ heartbeat }) => heartbeat === 'silent',
    verdict: failingVerdict('hung', ['force_restart']),
    why: 'its main thread is blocked, so a restart without SIGKILL would wait for it',
  },
  {
    finding: 'it answers, but the thread that moves the bytes is stuck',
    matches: ({ dataPath }) => dataPath === 'stuck',
    verdict: failingVerdict('data_path_stuck', ['force_restart']),
    why: 'a restart without SIGKILL would wait for that thread',
  },
  {
    finding: 'PM2 is launching it',
    matches: ({ pm2 }) => pm2 === 'launching',
    verdict: neutralVerdict('starting'),
    why: 'it may take until the end of its grace period, 5 s',
  },
  {
    finding:
      'no process listens on the control socket, nothing is known about its process, and it does not accept connections',
    matches: ({ heartbeat, process, accepts }) =>
      heartbeat === 'unreachable' && process === 'unknown' && accepts === 'failed',
    verdict: failingVerdict('crashed', ['start']),
    why: 'without /proc, nothing else shows that a process has died',
  },
  {
    finding:
      'no process listens on the control socket, and its process, which is alive, does not accept connections',
    matches: ({ heartbeat, accepts }) => heartbeat === 'unreachable' && accepts === 'failed',
    verdict: failingVerdict('hung', ['force_restart']),
    why: 'it serves nobody, and cannot be asked to listen again',
  },
  {
    finding: 'no process listens on the control socket, and it accepts connections',
    matches: ({ heartbeat, accepts }) => heartbeat === 'unreachable' && accepts === 'ok',
    verdict: healthyVerdict('degraded', 'no_control_socket'),
    why: 'a restart would cut the connections of a proxy that serves; it makes its socket anew within a second or two',
  },
  {
    finding: 'no process listens on the control socket, and it is not known whether it accepts connections',
    matches: ({ heartbeat }) => heartbeat === 'unreachable',
    verdict: neutralVerdict('same'),
    why: 'a file that is missing is no proof against the process',
  },
  {
    finding: 'it is not known whether it answers',
    matches: ({ heartbeat }) => heartbeat === 'unknown',
    verdict: neutralVerdict('same'),
    why: 'missing evidence is not a failure',
  },
  {
    finding: 'its open files are near their limit',
    matches: ({ openFiles }) => openFiles === 'restart',
    verdict: failingVerdict('open_files_limit', ['restart', 'force_restart']),
    why: 'at the limit it would have to drop each connection that it accepts',
  },
  {
    finding: 'its memory is over its limit',
    matches: ({ memory }) => memory === 'restart',
    verdict: failingVerdict('memory_limit', ['restart', 'force_restart']),
    why: 'a restart lets open connections finish; the OOM killer would not',
  },
  {
    finding: 'its CPU is over its limit',
    matches: ({ cpu }) => cpu === 'restart',
    verdict: failingVerdict('cpu_limit', ['restart', 'force_restart']),
    why: 'off by default, because being busy is not a fault',
  },
  {
    finding: 'its answers on the control socket take longer than their limit',
    matches: ({ lag }) => lag === 'restart',
    verdict: failingVerdict('slow_responses', ['restart', 'force_restart']),
    why: 'off by default, because being busy is not a fault',
  },
  {
    finding: 'another process holds the port',
    matches: ({ listening }) => listening === 'in_use',
    verdict: failingVerdict('port_in_use', []),
    why: 'the other process is named and never killed; the proxy takes the port as soon as it is free',
  },
  {
    finding: 'it may not listen on its addresses, or they are not of this machine',
    matches: ({ listening }) => listening === 'denied',
    verdict: failingVerdict('not_listening', []),
    why: 'the system would refuse the next process too; the proxy tries again by itself',
  },
  {
    finding: 'it listens on nothing',
    matches: ({ listening }) => listening === 'none',
    verdict: failingVerdict('not_listening', ['relisten', 'restart', 'force_restart']),
    why: 'the proxy also retries by itself; a remedy is due when that has not helped',
  },
  {
    finding: 'the upstream does not accept connections',
    matches: ({ upstream }) => upstream === 'refused',
    verdict: failingVerdict('upstream_down', []),
    why: 'no restart of the proxy mends an upstream',
  },
  {
    finding:
      'the upstream accepts connections, but does not answer as its probe expects, even when asked directly',
    matches: ({ upstream }) => upstream === 'silent',
    verdict: failingVerdict('upstream_unhealthy', []),
    why: 'no restart of the proxy mends an upstream',
  },
  {
    finding: 'it listens, but does not accept connections',
    matches: ({ accepts, listening }) => accepts === 'failed' && listening !== 'not_needed',
    verdict: failingVerdict('not_accepting', ['relisten', 'force_restart']),
    why: 'listening anew costs no open connection; it comes after the upstream, because it helps no client whose upstream is away',
  },
  {
    finding: 'the upstream answers directly, but not through the proxy',
    matches: ({ endToEnd }) => endToEnd === 'failed',
    verdict: failingVerdict('forwarding_broken', ['restart', 'force_restart']),
    why: 'only the proxy is left as the cause',
  },
  {
    finding: 'the upstream itself listens on every address of the port',
    matches: ({ listening }) => listening === 'not_needed',
    verdict: healthyVerdict('not_needed'),
    why: 'there is nothing left to forward',
  },
  {
    finding: 'another process holds some of its addresses',
    matches: ({ listening }) => listening === 'some',
    verdict: failingVerdict('port_in_use', [], 'threshold', 'degraded'),
    why: 'who connects to those reaches the other process; the proxy serves on the rest, and takes them as soon as they are free',
  },
  {
    finding: 'anything else',
    matches: () => true,
    verdict: healthyVerdict('up'),
    why: 'it serves; a quantity over its warning limit is reported as a warning',
  },
];

/** True when clients have what they want of the port. */
const isServing = (evidence: Evidence): boolean => {
  const { pm2, process, heartbeat, dataPath, listening, accepts, upstream, endToEnd } = evidence;
  const isRunning = pm2 !== 'waiting_restart' && process !== 'gone' && process !== 'zombie';
  return (
    isRunning &&
    heartbeat === 'ok' &&
    dataPath !== 'stuck' &&
    ['all', 'some', 'not_needed'].includes(listening) &&
    accepts !== 'failed' &&
    (upstream === 'ok' || upstream === 'unknown') &&
    endToEnd !== 'failed'
  );
};

/** The causes whose quantity is over its warning limit, or growing. They do not change the state of the proxy. */
export const warningsOf = ({ openFiles, memory, cpu, lag }: Evidence): readonly Cause[] => {
  const levels = {
    open_files_limit: openFiles,
    memory_limit: memory,
    cpu_limit: cpu,
    slow_responses: lag,
  } as const;
  return (Object.keys(levels) as (keyof typeof levels)[]).filter((cause) =>
    ['warn', 'growing'].includes(levels[cause]),
  );
};

/**
 * The verdict on the evidence of one check.
 * @param optional the upstream may be off: its faults make the proxy wait instead of fail
 */
export const judge = (evidence: Evidence, optional: boolean): Verdict => {
  const verdict = DECISION_TABLE.find((row) => row.matches(evidence))?.verdict ?? neutralVerdict('same');
  const isUpstreamAway = verdict.kind === 'failing' && isUpstreamFault(verdict.cause);
  return optional && isUpstreamAway ? neutralVerdict('waiting', verdict.cause) : verdict;
};
