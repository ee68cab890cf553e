import type { Evidence } from './types.ts';

/** Under PM2 a proxy lets what is open finish for so long at most: nobody takes its port over meanwhile. */
export const LEAVE_UNDER_PM2_MS = 1_500;
/** What it takes from there until the process is gone, on a busy machine too. */
const SLACK_MS = 500;
/** One silence may be a peak of work; a proxy that is told to leave answers until it has left. */
const MOST_SILENCES = 1;

/** A process that PM2 is stopping. */
export interface Leave {
  readonly pid: number | null;
  /** When that was first seen. */
  readonly sinceMs: number;
  /** How often it has not answered since. */
  readonly silences: number;
}

export interface Leaver extends Pick<Evidence, 'pm2' | 'process' | 'heartbeat'> {
  readonly pid: number | null;
  /** Milliseconds of any clock that only goes forward. */
  readonly atMs: number;
}

/** Null while PM2 does not stop it. */
export const follow = (before: Leave | null, { pm2, pid, heartbeat, atMs }: Leaver): Leave | null => {
  if (pm2 !== 'stopping') return null;
  const known = before?.pid === pid ? before : { pid, sinceMs: atMs, silences: 0 };
  return { ...known, silences: known.silences + (heartbeat === 'silent' ? 1 : 0) };
};

/** A process that is stopped by a signal, or silent twice, will not leave by itself; nor one that is there for too long. */
export const leavingOf = (leave: Leave | null, { process, atMs }: Leaver): Evidence['leaving'] => {
  if (leave === null) return 'no';
  const isLong = atMs - leave.sinceMs > LEAVE_UNDER_PM2_MS + SLACK_MS;
  return process === 'stopped' || leave.silences > MOST_SILENCES || isLong ? 'overdue' : 'in_time';
};
