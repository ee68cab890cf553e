/**
 * The vocabulary of the room: evidence (what a check found), cause (what is wrong), verdict (what that means) and
 * remedy (what is done about it). The decision table turns evidence into a verdict.
 */

import type * as v from 'valibot';
import { oneOf } from '../lib/stored-fields.ts';

/** The state of an app by PM2's list. */
export type Pm2Evidence =
  /** PM2 has started the app, and its process runs. */
  | 'online'
  /** PM2 has started the process, which has not yet reported that it is ready. */
  | 'launching'
  /** PM2 has asked the process to exit, and waits for its end. */
  | 'stopping'
  /** Stopped by the operator; remembered while PM2 cannot be asked. */
  | 'stopped'
  /** The app is not in PM2's list, but was there before: the operator has deleted it (monitor/checks/pm2.ts). */
  | 'deleted'
  /** PM2 restarts the app at the end of its restart delay. */
  | 'waiting_restart'
  /**
   * PM2 could not start the process, and does not try again: "online" or "launching" without a pid, or "waiting restart" for longer
   * than any restart delay (monitor/checks/pm2.ts).
   */
  | 'start_failed'
  /** PM2 will not restart the app: it is "errored", or a "waiting restart" with pid 0, which never comes to an end. */
  | 'gave_up'
  /** The app is not in the list, and this PM2 daemon never had it. */
  | 'missing'
  /** PM2 could not be asked, or its answer is not understood. */
  | 'unknown';

/** A measured quantity compared with its two limits: `warn` and `restart` are at or over that limit. */
export type Level = 'ok' | 'warn' | 'restart' | 'unknown';

/**
 * The findings of one check, from the cheapest evidence to the dearest. `unknown` is missing evidence, and never a
 * failure.
 */
export interface Evidence {
  /**
   * The state of the monitor itself. `late`: this check began late, or the machine slept. `out_of_files`: it had too few open
   * files to look.
   */
  readonly monitor: 'in_time' | 'late' | 'out_of_files';
  /** The state of the app by PM2's list. */
  readonly pm2: Pm2Evidence;
  /** The progress of a stop by PM2; `no`: there is none. `overdue`: the process will not exit by itself (stop-deadline.ts). */
  readonly stopping: 'no' | 'in_time' | 'overdue';
  /**
   * What PM2 needs to start the process: the interpreter, the script, the working folder and the log. `missing`: one does not exist, or may
   * not be used. `unknown`: not looked at, as a process runs, or could not be looked at.
   */
  readonly startFiles: 'ok' | 'missing' | 'unknown';
  /** `loop`: it crashes again and again (CRASH_LOOP in decision-table.ts). Counted in the health, not measured. */
  readonly crashes: 'few' | 'loop';
  /** The process by /proc. `stopped`: by SIGSTOP or a debugger. `uninterruptible`: in a system call that no signal ends. */
  readonly process: 'alive' | 'stopped' | 'uninterruptible' | 'zombie' | 'gone' | 'unknown';
  /** The answer on the control socket. `silent`: none in time. `unreachable`: no process listens on it. */
  readonly heartbeat: 'ok' | 'silent' | 'unreachable' | 'unknown';
  /** The state of the thread that moves the bytes, where another thread answers the heartbeat. */
  readonly dataPath: 'ok' | 'stuck' | 'unknown';
  /**
   * The addresses of the port. `some` and `in_use`: another process holds some, or all of them. `denied`: the system refuses
   * them all. `none`: none is bound. `not_needed`: the upstream itself holds them all.
   */
  readonly listening: 'all' | 'some' | 'in_use' | 'denied' | 'none' | 'not_needed' | 'unknown';
  /** The result of a connection to the proxy; `ok`: the proxy accepts it, also one without a control socket. */
  readonly accepts: 'ok' | 'failed' | 'unknown';
  /**
   * The state of the upstream. `refused`: no connection to it. `silent`: it accepts, and does not answer as its probe
   * expects.
   */
  readonly upstream: 'ok' | 'refused' | 'silent' | 'unknown';
  /** The result of a probe through the proxy; `ok`: the upstream answers it. */
  readonly endToEnd: 'ok' | 'failed' | 'unknown';
  /** Open files, as a part of the process's own limit. */
  readonly openFiles: Level;
  /** Resident memory. `growing`: under its limits, but rising without end so far (resource-limits.ts). */
  readonly memory: Level | 'growing';
  /** CPU time, as a part of one core. */
  readonly cpu: Level;
  /** The time that an answer on the control socket takes. */
  readonly lag: Level;
}

/** The causes of a failure or a warning. Each has its texts in cause-text.ts and its classes in causes.ts. */
const CAUSES = [
  /** The process is gone. */
  'crashed',
  /** The process crashes again and again (CRASH_LOOP in decision-table.ts). */
  'crash_loop',
  /** PM2 cannot start the process. */
  'cannot_start',
  /** The process is stopped by a signal: SIGSTOP, or a debugger. */
  'stopped_by_signal',
  /** The process does not answer, and waits for the kernel (state D). */
  'blocked_in_kernel',
  /** The process does not answer on its control socket in time. */
  'hung',
  /** The process answers, but the thread that moves the bytes does not move. */
  'data_path_stuck',
  /** No address of the port could be bound, for another reason than that it is in use. */
  'not_listening',
  /** Another process holds the port. */
  'port_in_use',
  /** The proxy runs, but does not accept connections. */
  'not_accepting',
  /** The proxy accepts connections, and no process listens on its control socket. */
  'no_control_socket',
  /** The open files of the process are at or over their `restart` limit. */
  'open_files_limit',
  /** The memory of the process is at or over its `restart` limit. */
  'memory_limit',
  /** The CPU time of the process is at or over its `restart` limit. */
  'cpu_limit',
  /** The answers of the process to the monitor take as long as their `restart` limit, or longer. */
  'slow_responses',
  /** No connection to the upstream is possible. */
  'upstream_down',
  /** The upstream accepts connections, and does not answer as its probe expects. */
  'upstream_unhealthy',
  /** The upstream answers when it is asked directly, but not through the proxy. */
  'forwarding_broken',
] as const;

export const causeSchema = oneOf(CAUSES);

export type Cause = v.InferOutput<typeof causeSchema>;

export const remedySchema = oneOf([
  /** Start the app that is not running. */
  'start',
  /** Ask the proxy to close its listening sockets and to open them again; open connections stay. */
  'relisten',
  /** Restart it through PM2; open connections may finish first. */
  'restart',
  /** Restart it through PM2, and send SIGKILL instead of waiting for it to exit. */
  'force_restart',
  /** Send SIGKILL to a process that PM2 is stopping, and do not start it again. */
  'kill',
]);

export type Remedy = v.InferOutput<typeof remedySchema>;

/** The meaning of the evidence. */
export type Verdict =
  /** The port serves; it counts as a success. */
  | {
      readonly kind: 'healthy';
      readonly state: 'up' | 'degraded' | 'not_needed';
      readonly cause: Cause | null;
    }
  /** Neither a success nor a failure. `same`: nothing is known that would change the state. */
  | {
      readonly kind: 'neutral';
      readonly state: 'stopped' | 'starting' | 'waiting' | 'same';
      readonly cause: Cause | null;
    }
  /** The operator stops it, and it does not exit. That is no failure, as the operator wants it gone. */
  | {
      readonly kind: 'ending';
      readonly state: 'stopped';
      readonly cause: null;
      readonly remedies: readonly ['kill'];
    }
  | FailingVerdict;

/** The port does not serve; it counts as a failure. */
export interface FailingVerdict {
  readonly kind: 'failing';
  readonly cause: Cause;
  /** Tried in this order, and the last one again and again; empty where no restart would help. */
  readonly remedies: readonly Exclude<Remedy, 'kill'>[];
  /** The failure at which a remedy is due: the first, or the one that reaches `failureThreshold`. */
  readonly actAt: 'first_failure' | 'threshold';
  /** The state from then on. `degraded`: the port goes on serving in part. */
  readonly state: 'down' | 'degraded';
}
