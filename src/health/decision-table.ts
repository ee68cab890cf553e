import { isUpstreams } from './causes.ts';
import type { Cause, Evidence, Failing, Verdict } from './types.ts';

/** One line of the decision table. */
export interface Row {
  /** The finding, in words. */
  readonly finding: string;
  fits(seen: Evidence): boolean;
  readonly verdict: Verdict;
  /** Why this verdict and no other. */
  readonly why: string;
}

const failing = (cause: Cause, cures: Failing['cures'], at: Failing['at'] = 'threshold'): Failing => ({
  kind: 'failing',
  cause,
  cures,
  at,
});
const healthy = (state: 'up' | 'degraded' | 'not_needed', cause: Cause | null = null): Verdict => ({
  kind: 'healthy',
  state,
  cause,
});
const neutral = (
  state: 'stopped' | 'starting' | 'waiting' | 'same',
  cause: Cause | null = null,
): Verdict => ({
  kind: 'neutral',
  state,
  cause,
});

/** The decision table: the first row that fits decides. docs/decision-table.md is made from it. */
export const TABLE: readonly Row[] = [
  {
    finding: 'the monitor itself was late, or the machine slept',
    fits: ({ monitor }) => monitor === 'late',
    verdict: neutral('same'),
    why: 'what was measured is the monitor; a fresh round decides',
  },
  {
    finding:
      'PM2 is stopping it, and it does not go: stopped by a signal, without an answer twice, or for longer than a proxy takes',
    fits: ({ pm2, leaving }) => pm2 === 'stopping' && leaving === 'overdue',
    verdict: { kind: 'ending', state: 'stopped', cause: null, cures: ['kill'] },
    why: "the operator's wish: it would keep the port until PM2's kill_timeout, 11 s",
  },
  {
    finding: 'PM2 has it stopped, stopping, or deleted',
    fits: ({ pm2 }) => pm2 === 'stopped' || pm2 === 'stopping' || pm2 === 'deleted',
    verdict: neutral('stopped'),
    why: "the operator's wish",
  },
  {
    finding:
      'PM2 gave up (errored, or waiting restart with pid 0), or does not have it, and it does not answer',
    fits: ({ pm2, heartbeat }) => pm2 === 'gave_up' || (pm2 === 'missing' && heartbeat !== 'ok'),
    verdict: failing('crashed', ['start'], 'once'),
    why: 'nobody else will bring it back; one that answers is an orphan of a dead daemon, and goes on serving',
  },
  {
    finding: 'it has crashed again and again, and has not been up for long since',
    fits: ({ crashes }) => crashes === 'loop',
    verdict: failing('crash_loop', [], 'once'),
    why: 'PM2 restarts it ever more slowly; one more restart would not help, and to be up for a moment is no recovery',
  },
  {
    finding: 'PM2 waits to restart it',
    fits: ({ pm2 }) => pm2 === 'waiting_restart',
    verdict: failing('crashed', [], 'once'),
    why: 'PM2 brings it back by itself',
  },
  {
    finding: 'the process is gone, or a zombie',
    fits: ({ process }) => process === 'gone' || process === 'zombie',
    verdict: failing('crashed', ['start']),
    why: 'PM2 sees it too, and is given the time to; a zombie answers nobody',
  },
  {
    finding: 'the process is stopped by a signal',
    fits: ({ process }) => process === 'stopped',
    verdict: failing('stopped_by_signal', ['forced']),
    why: 'PM2 calls it online; the kernel completes connects to it; it heeds SIGKILL only',
  },
  {
    finding: 'no answer, and the process is in a system call that no signal ends',
    fits: ({ heartbeat, process }) => heartbeat === 'silent' && process === 'uninterruptible',
    verdict: failing('blocked_in_kernel', []),
    why: 'SIGKILL would wait too: the disk or the kernel is at fault',
  },
  {
    finding: 'no answer on the control socket in time',
    fits: ({ heartbeat }) => heartbeat === 'silent',
    verdict: failing('hung', ['forced']),
    why: 'its main thread is blocked, and a plain restart would wait for it',
  },
  {
    finding: 'it answers, but the thread that moves the bytes does not move',
    fits: ({ dataPath }) => dataPath === 'stuck',
    verdict: failing('data_path_stuck', ['forced']),
    why: 'a graceful restart would wait for that thread',
  },
  {
    finding: 'PM2 launches it',
    fits: ({ pm2 }) => pm2 === 'launching',
    verdict: neutral('starting'),
    why: 'it has until the end of its grace',
  },
  {
    finding: 'nobody behind the control socket, and no word of its process',
    fits: ({ heartbeat, process }) => heartbeat === 'unreachable' && process === 'unknown',
    verdict: failing('crashed', ['start']),
    why: 'without /proc this is all that a dead process leaves',
  },
  {
    finding: 'nobody behind the control socket, and yet the process lives',
    fits: ({ heartbeat }) => heartbeat === 'unreachable',
    verdict: failing('hung', ['forced']),
    why: 'it came up without its control socket, or lost it',
  },
  {
    finding: 'nothing is known of its answer',
    fits: ({ heartbeat }) => heartbeat === 'unknown',
    verdict: neutral('same'),
    why: 'missing evidence is no failure',
  },
  {
    finding: 'its open files are near their limit',
    fits: ({ openFiles }) => openFiles === 'restart',
    verdict: failing('open_files_limit', ['graceful', 'forced']),
    why: 'at the limit it would accept connections only to drop them',
  },
  {
    finding: 'its memory is over its limit',
    fits: ({ memory }) => memory === 'restart',
    verdict: failing('memory_limit', ['graceful', 'forced']),
    why: 'open connections are let finish first; the OOM killer would not',
  },
  {
    finding: 'its CPU is over its limit',
    fits: ({ cpu }) => cpu === 'restart',
    verdict: failing('cpu_limit', ['graceful', 'forced']),
    why: 'by default there is no such limit: to be busy is no fault',
  },
  {
    finding: 'its answers are over their limit of time',
    fits: ({ lag }) => lag === 'restart',
    verdict: failing('slow_responses', ['graceful', 'forced']),
    why: 'by default there is no such limit, as with CPU',
  },
  {
    finding: 'another process holds the port',
    fits: ({ listening }) => listening === 'in_use',
    verdict: failing('port_in_use', []),
    why: 'its holder is named and never killed; the proxy takes the port when it is free',
  },
  {
    finding: 'it listens on nothing',
    fits: ({ listening }) => listening === 'none',
    verdict: failing('not_listening', ['listen', 'graceful', 'forced']),
    why: 'it tries again by itself, too',
  },
  {
    finding: 'no connection to the upstream',
    fits: ({ upstream }) => upstream === 'refused',
    verdict: failing('upstream_down', []),
    why: 'a restart of the proxy cures no upstream',
  },
  {
    finding: 'the upstream accepts, and does not answer as expected, not directly either',
    fits: ({ upstream }) => upstream === 'silent',
    verdict: failing('upstream_unhealthy', []),
    why: 'a restart of the proxy cures no upstream',
  },
  {
    finding: 'it listens, and does not accept',
    fits: ({ accepts, listening }) => accepts === 'failed' && listening !== 'not_needed',
    verdict: failing('not_accepting', ['listen', 'forced']),
    why: 'to listen anew costs no open connection; while the upstream is away it would help nobody',
  },
  {
    finding: 'the upstream answers directly, and not through the proxy',
    fits: ({ endToEnd }) => endToEnd === 'failed',
    verdict: failing('forwarding_broken', ['graceful', 'forced']),
    why: 'what is left is the proxy',
  },
  {
    finding: 'the upstream holds the port on every address itself',
    fits: ({ listening }) => listening === 'not_needed',
    verdict: healthy('not_needed'),
    why: 'there is nothing to forward',
  },
  {
    finding: 'some of its addresses are held by another process',
    fits: ({ listening }) => listening === 'some',
    verdict: healthy('degraded', 'port_in_use'),
    why: 'the others serve',
  },
  {
    finding: 'anything else',
    fits: () => true,
    verdict: healthy('up'),
    why: 'it serves; what is over a limit that only warns is told beside it',
  },
];

/** So many crashes within `windowMs` are a loop, until a process has lived for `stableMs` (PM2's own time for that). */
export const CRASH_LOOP = { crashes: 5, windowMs: 120_000, stableMs: 30_000 };

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
export const judge = (seen: Evidence, optional: boolean): Verdict => {
  const verdict = TABLE.find((row) => row.fits(seen))?.verdict ?? neutral('same');
  const isAway = verdict.kind === 'failing' && isUpstreams(verdict.cause);
  return optional && isAway ? neutral('waiting', verdict.cause) : verdict;
};
