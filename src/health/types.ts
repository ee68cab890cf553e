import { CRASH_LOOP } from './decision-table.ts';

/** What PM2 says of an app: its own words, `gave_up` for a "waiting restart" that will never come, `deleted` for an app that was there before. */
export type Pm2Evidence =
  | 'online'
  | 'launching'
  | 'stopping'
  | 'stopped'
  | 'deleted'
  | 'waiting_restart'
  | 'gave_up'
  | 'missing'
  | 'unknown';

/** A measured quantity against its two limits. */
export type Level = 'ok' | 'warn' | 'restart' | 'unknown';

/** What was found out in one look, from cheap to dear. `unknown` is missing evidence and never a failure. */
export interface Evidence {
  /** `late`: the monitor came late to its own look, or the machine slept. */
  readonly monitor: 'in_time' | 'late';
  readonly pm2: Pm2Evidence;
  /** While PM2 stops it: `overdue` when it does not go by itself (stop-deadline.ts). */
  readonly stopping: 'no' | 'in_time' | 'overdue';
  /** `loop`: {@link CRASH_LOOP}. Not seen but remembered. */
  readonly crashes: 'few' | 'loop';
  /** From /proc: `stopped` is SIGSTOP or a debugger, `uninterruptible` a system call that no signal ends. */
  readonly process: 'alive' | 'stopped' | 'uninterruptible' | 'zombie' | 'gone' | 'unknown';
  /** The control socket: `silent` has no answer in time, `unreachable` nobody behind it. */
  readonly heartbeat: 'ok' | 'silent' | 'unreachable' | 'unknown';
  /** What moves the bytes, where that is another thread than the one that answers the heartbeat. */
  readonly dataPath: 'ok' | 'stuck' | 'unknown';
  readonly listening: 'all' | 'some' | 'in_use' | 'none' | 'not_needed' | 'unknown';
  readonly accepts: 'ok' | 'failed' | 'unknown';
  /** `refused`: no connection to it; `silent`: it accepts, and does not answer as its probe expects. */
  readonly upstream: 'ok' | 'refused' | 'silent' | 'unknown';
  readonly endToEnd: 'ok' | 'failed' | 'unknown';
  readonly openFiles: Level;
  /** `growing`: under its limits, but without end so far. */
  readonly memory: Level | 'growing';
  readonly cpu: Level;
  readonly lag: Level;
}

export type Cause =
  | 'crashed'
  | 'crash_loop'
  | 'stopped_by_signal'
  | 'blocked_in_kernel'
  | 'hung'
  | 'data_path_stuck'
  | 'not_listening'
  | 'port_in_use'
  | 'not_accepting'
  | 'open_files_limit'
  | 'memory_limit'
  | 'cpu_limit'
  | 'slow_responses'
  | 'upstream_down'
  | 'upstream_unhealthy'
  | 'forwarding_broken';

/**
 * `start`: bring back what is not running. `relisten`: ask the proxy to listen again. `restart`: a plain restart.
 * `force_restart`: SIGKILL and restart. `kill`: SIGKILL to what PM2 is stopping, and no restart.
 */
export type Remedy = 'start' | 'relisten' | 'restart' | 'force_restart' | 'kill';

/** `same`: nothing is known that would change it. */
export type Verdict =
  | {
      readonly kind: 'healthy';
      readonly state: 'up' | 'degraded' | 'not_needed';
      readonly cause: Cause | null;
    }
  | {
      readonly kind: 'neutral';
      readonly state: 'stopped' | 'starting' | 'waiting' | 'same';
      readonly cause: Cause | null;
    }
  /** No failure: what is wanted of it is that it goes. */
  | {
      readonly kind: 'ending';
      readonly state: 'stopped';
      readonly cause: null;
      readonly remedies: readonly ['kill'];
    }
  | FailingVerdict;

/** Acted on at failure #1 (`first_failure`) or at `failureThreshold`. */
export interface FailingVerdict {
  readonly kind: 'failing';
  readonly cause: Cause;
  /** Tried in this order, the last one again and again; none where a restart does not help. */
  readonly remedies: readonly Exclude<Remedy, 'kill'>[];
  readonly actAt: 'first_failure' | 'threshold';
}
