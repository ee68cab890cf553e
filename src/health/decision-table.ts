import { isUpstreamFault } from './causes.ts';
import type { Cause, Evidence, FailingVerdict, Verdict } from './types.ts';

/** One line of the decision table. */
export interface DecisionRow {
  /** The finding, in words. */
  readonly finding: string;
  matches(evidence: Evidence): boolean;
  readonly verdict: Verdict;
  /** Why this verdict and no other. */
  readonly why: string;
}

const failingVerdict = (
  cause: Cause,
  remedies: FailingVerdict['remedies'],
  actAt: FailingVerdict['actAt'] = 'threshold',
): FailingVerdict => ({
  kind: 'failing',
  cause,
  remedies,
  actAt,
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

/** The decision table: the first row that fits decides. docs/decision-table.md is made from it. */
export const DECISION_TABLE: readonly DecisionRow[] = [
  {
    finding: 'the monitor itself was late, or the machine slept',
    matches: ({ monitor }) => monitor === 'late',
    verdict: neutralVerdict('same'),
    why: 'what was measured is the monitor; a fresh round decides',
  },
  {
    finding:
      'PM2 is stopping it, and it does not go: stopped by a signal, without an answer twice, or for longer than a proxy takes',
    matches: ({ pm2, stopping }) => pm2 === 'stopping' && stopping === 'overdue',
    verdict: { kind: 'ending', state: 'stopped', cause: null, remedies: ['kill'] },
    why: "the operator's wish: it would keep the port until PM2's kill_timeout, 11 s",
  },
  {
    finding: 'PM2 has it stopped, stopping, or deleted',
    matches: ({ pm2 }) => pm2 === 'stopped' || pm2 === 'stopping' || pm2 === 'deleted',
    verdict: neutralVerdict('stopped'),
    why: "the operator's wish",
  },
  {
    finding:
      'PM2 gave up (errored, or waiting restart with pid 0), or does not have it, and it does not answer',
    matches: ({ pm2, heartbeat }) => pm2 === 'gave_up' || (pm2 === 'missing' && heartbeat !== 'ok'),
    verdict: failingVerdict('crashed', ['start'], 'first_failure'),
    why: 'nobody else will bring it back; one that answers is an orphan of a dead daemon, and goes on serving',
  },
  {
    finding: 'it has crashed again and again, and has not been up for long since',
    matches: ({ crashes }) => crashes === 'loop',
    verdict: failingVerdict('crash_loop', [], 'first_failure'),
    why: 'PM2 restarts it ever more slowly; one more restart would not help, and to be up for a moment is no recovery',
  },
  {
    finding: 'PM2 waits to restart it',
    matches: ({ pm2 }) => pm2 === 'waiting_restart',
    verdict: failingVerdict('crashed', [], 'first_failure'),
    why: 'PM2 brings it back by itself',
  },
  {
    finding: 'the process is gone, or a zombie',
    matches: ({ process }) => process === 'gone' || process === 'zombie',
    verdict: failingVerdict('crashed', ['start']),
    why: 'PM2 sees it too, and is given the time to; a zombie answers nobody',
  },
  {
    finding: 'the process is stopped by a signal',
    matches: ({ process }) => process === 'stopped',
    verdict: failingVerdict('stopped_by_signal', ['force_restart']),
    why: 'PM2 calls it online; the kernel completes connects to it; it heeds SIGKILL only',
  },
  {
    finding: 'no answer, and the process is in a system call that no signal ends',
    matches: ({ heartbeat, process }) => heartbeat === 'silent' && process === 'uninterruptible',
    verdict: failingVerdict('blocked_in_kernel', []),
    why: 'SIGKILL would wait too: the disk or the kernel is at fault',
  },
  {
    finding: 'no answer on the control socket in time',
    matches: ({ heartbeat }) => heartbeat === 'silent',
    verdict: failingVerdict('hung', ['force_restart']),
    why: 'its main thread is blocked, and a plain restart would wait for it',
  },
  {
    finding: 'it answers, but the thread that moves the bytes does not move',
    matches: ({ dataPath }) => dataPath === 'stuck',
    verdict: failingVerdict('data_path_stuck', ['force_restart']),
    why: 'a graceful restart would wait for that thread',
  },
  {
    finding: 'PM2 launches it',
    matches: ({ pm2 }) => pm2 === 'launching',
    verdict: neutralVerdict('starting'),
    why: 'it has until the end of its grace',
  },
  {
    finding: 'nobody behind the control socket, and no word of its process',
    matches: ({ heartbeat, process }) => heartbeat === 'unreachable' && process === 'unknown',
    verdict: failingVerdict('crashed', ['start']),
    why: 'without /proc this is all that a dead process leaves',
  },
  {
    finding: 'nobody behind the control socket, and yet the process lives',
    matches: ({ heartbeat }) => heartbeat === 'unreachable',
    verdict: failingVerdict('hung', ['force_restart']),
    why: 'it came up without its control socket, or lost it',
  },
  {
    finding: 'nothing is known of its answer',
    matches: ({ heartbeat }) => heartbeat === 'unknown',
    verdict: neutralVerdict('same'),
    why: 'missing evidence is no failure',
  },
  {
    finding: 'its open files are near their limit',
    matches: ({ openFiles }) => openFiles === 'restart',
    verdict: failingVerdict('open_files_limit', ['restart', 'force_restart']),
    why: 'at the limit it would accept connections only to drop them',
  },
  {
    finding: 'its memory is over its limit',
    matches: ({ memory }) => memory === 'restart',
    verdict: failingVerdict('memory_limit', ['restart', 'force_restart']),
    why: 'open connections are let finish first; the OOM killer would not',
  },
  {
    finding: 'its CPU is over its limit',
    matches: ({ cpu }) => cpu === 'restart',
    verdict: failingVerdict('cpu_limit', ['restart', 'force_restart']),
    why: 'by default there is no such limit: to be busy is no fault',
  },
  {
    finding: 'its answers are over their limit of time',
    matches: ({ lag }) => lag === 'restart',
    verdict: failingVerdict('slow_responses', ['restart', 'force_restart']),
    why: 'by default there is no such limit, as with CPU',
  },
  {
    finding: 'another process holds the port',
    matches: ({ listening }) => listening === 'in_use',
    verdict: failingVerdict('port_in_use', []),
    why: 'its holder is named and never killed; the proxy takes the port when it is free',
  },
  {
    finding: 'it listens on nothing',
    matches: ({ listening }) => listening === 'none',
    verdict: failingVerdict('not_listening', ['relisten', 'restart', 'force_restart']),
    why: 'it tries again by itself, too',
  },
  {
    finding: 'no connection to the upstream',
    matches: ({ upstream }) => upstream === 'refused',
    verdict: failingVerdict('upstream_down', []),
    why: 'a restart of the proxy cures no upstream',
  },
  {
    finding: 'the upstream accepts, and does not answer as expected, not directly either',
    matches: ({ upstream }) => upstream === 'silent',
    verdict: failingVerdict('upstream_unhealthy', []),
    why: 'a restart of the proxy cures no upstream',
  },
  {
    finding: 'it listens, and does not accept',
    matches: ({ accepts, listening }) => accepts === 'failed' && listening !== 'not_needed',
    verdict: failingVerdict('not_accepting', ['relisten', 'force_restart']),
    why: 'to listen anew costs no open connection; while the upstream is away it would help nobody',
  },
  {
    finding: 'the upstream answers directly, and not through the proxy',
    matches: ({ endToEnd }) => endToEnd === 'failed',
    verdict: failingVerdict('forwarding_broken', ['restart', 'force_restart']),
    why: 'what is left is the proxy',
  },
  {
    finding: 'the upstream holds the port on every address itself',
    matches: ({ listening }) => listening === 'not_needed',
    verdict: healthyVerdict('not_needed'),
    why: 'there is nothing to forward',
  },
  {
    finding: 'some of its addresses are held by another process',
    matches: ({ listening }) => listening === 'some',
    verdict: healthyVerdict('degraded', 'port_in_use'),
    why: 'the others serve',
  },
  {
    finding: 'anything else',
    matches: () => true,
    verdict: healthyVerdict('up'),
    why: 'it serves; what is over a limit that only warns is told beside it',
  },
];

/** So many crashes within `windowMs` are a loop, until a process has lived for `stableMs` (PM2's own time for that). */
export const CRASH_LOOP = { threshold: 5, windowMs: 120_000, stableMs: 30_000 };

/** What is over the limit that only warns: the proxy is up, and it is told beside that. */
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

/** The verdict on what was seen; an upstream that may be off (`optional`) is waited for instead of missed. */
export const judge = (evidence: Evidence, optional: boolean): Verdict => {
  const verdict = DECISION_TABLE.find((row) => row.matches(evidence))?.verdict ?? neutralVerdict('same');
  const isUpstreamAway = verdict.kind === 'failing' && isUpstreamFault(verdict.cause);
  return optional && isUpstreamAway ? neutralVerdict('waiting', verdict.cause) : verdict;
};
