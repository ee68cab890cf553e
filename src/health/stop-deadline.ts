import type { Evidence } from './types.ts';

/**
 * The time that a proxy under PM2 gives its open connections to finish when it is stopped, in milliseconds. It is short,
 * because no other process takes its port over meanwhile.
 */
export const PM2_DRAIN_MS = 1_500;
/** The time from the end of a proxy's drain until its process is gone, on a busy machine too. */
const EXIT_MARGIN_MS = 500;
/** A proxy that is stopping answers until it is gone. One missed heartbeat may be a peak of work. */
const MAX_MISSED_HEARTBEATS = 1;

/** The progress of a process that PM2 is stopping. */
export interface StopProgress {
  readonly pid: number | null;
  /** The time at which PM2 was first found to be stopping it, by the clock of {@link StopSample.at}. */
  readonly since: number;
  /** The number of checks since then to which it gave no answer. */
  readonly missedHeartbeats: number;
}

/** The findings of one check about a process that may be stopping. */
export interface StopSample extends Pick<Evidence, 'pm2' | 'process' | 'heartbeat'> {
  readonly pid: number | null;
  /** Milliseconds of any clock that only goes forward. */
  readonly at: number;
}

/** Adds a check to the progress; another process starts a new one. Null while PM2 is not stopping it. */
export const trackStop = (
  previous: StopProgress | null,
  { pm2, pid, heartbeat, at }: StopSample,
): StopProgress | null => {
  if (pm2 !== 'stopping') return null;
  const progress = previous?.pid === pid ? previous : { pid, since: at, missedHeartbeats: 0 };
  return { ...progress, missedHeartbeats: progress.missedHeartbeats + (heartbeat === 'silent' ? 1 : 0) };
};

/**
 * `overdue` for a process that will not exit by itself: it is stopped by a signal, it has missed more than
 * MAX_MISSED_HEARTBEATS heartbeats, or its time (PM2_DRAIN_MS and EXIT_MARGIN_MS) is over.
 */
export const stoppingOf = (
  progress: StopProgress | null,
  { process, at }: StopSample,
): Evidence['stopping'] => {
  if (progress === null) return 'no';
  const isTimeOver = at - progress.since > PM2_DRAIN_MS + EXIT_MARGIN_MS;
  return process === 'stopped' || progress.missedHeartbeats > MAX_MISSED_HEARTBEATS || isTimeOver
    ? 'overdue'
    : 'in_time';
};
