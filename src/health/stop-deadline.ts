import type { Evidence } from './types.ts';

/** Under PM2 a proxy lets what is open finish for so long at most: nobody takes its port over meanwhile. */
export const PM2_DRAIN_MS = 1_500;
/** What it takes from there until the process is gone, on a busy machine too. */
const EXIT_MARGIN_MS = 500;
/** One silence may be a peak of work; a proxy that is told to leave answers until it has left. */
const MAX_MISSED_HEARTBEATS = 1;

/** A process that PM2 is stopping. */
export interface StopProgress {
  readonly pid: number | null;
  /** When that was first seen. */
  readonly since: number;
  /** How often it has not answered since. */
  readonly missedHeartbeats: number;
}

export interface StopSample extends Pick<Evidence, 'pm2' | 'process' | 'heartbeat'> {
  readonly pid: number | null;
  /** Milliseconds of any clock that only goes forward. */
  readonly at: number;
}

/** Null while PM2 does not stop it. */
export const trackStop = (
  previous: StopProgress | null,
  { pm2, pid, heartbeat, at }: StopSample,
): StopProgress | null => {
  if (pm2 !== 'stopping') return null;
  const progress = previous?.pid === pid ? previous : { pid, since: at, missedHeartbeats: 0 };
  return { ...progress, missedHeartbeats: progress.missedHeartbeats + (heartbeat === 'silent' ? 1 : 0) };
};

/** A process that is stopped by a signal, or silent twice, will not leave by itself; nor one that is there for too long. */
export const stoppingOf = (
  progress: StopProgress | null,
  { process, at }: StopSample,
): Evidence['stopping'] => {
  if (progress === null) return 'no';
  const isTooLong = at - progress.since > PM2_DRAIN_MS + EXIT_MARGIN_MS;
  return process === 'stopped' || progress.missedHeartbeats > MAX_MISSED_HEARTBEATS || isTooLong
    ? 'overdue'
    : 'in_time';
};
