import type { RestartPolicy } from './circuit-breaker.ts';
import type { Health } from './state.ts';
import type { Cause, Evidence, Remedy } from './types.ts';

/** The evidence of one check. The reducer adds `crashes`, which it counts in {@link Health} itself. */
export type CheckEvidence = Omit<Evidence, 'crashes'>;

/** A check of the proxy has ended. */
export interface CheckEvent {
  readonly kind: 'check';
  /** The end of the check, in wall-clock milliseconds. */
  readonly at: number;
  /** The proxy's process; null when there is none, or none is known. */
  readonly pid: number | null;
  readonly evidence: CheckEvidence;
  /** True when the upstream was probed since the check before. If not, `upstream` and `endToEnd` repeat an older result. */
  readonly isProbed: boolean;
  /** Why the proxy does not have all its addresses, for the log; null or left out: it has them, or that is not known. */
  readonly listenProblem?: string | null;
  /** What to do about that, for the log; null or left out: nothing is known. */
  readonly listenAdvice?: string | null;
  /** Why PM2 cannot start the process, for the log; null or left out: nothing is known. */
  readonly startProblem?: string | null;
  /** What to do about that, for the log; null or left out: nothing is known. */
  readonly startAdvice?: string | null;
}

/** Everything that changes the health of a port. Each event carries its time in wall-clock milliseconds. */
export type HealthEvent =
  | CheckEvent
  /** The control connection ended without an announced shutdown, and PM2's list of later shows no stop: the process crashed. */
  | { readonly kind: 'crash'; readonly at: number }
  /** The proxy announced its shutdown on the control connection: it is being stopped or restarted. */
  | { readonly kind: 'shutdown_announced'; readonly at: number }
  /** The operator asks the monitor for a restart, which begins now: the end of the process is no crash. */
  | { readonly kind: 'restart_requested'; readonly at: number }
  /** A remedy was carried out. */
  | {
      readonly kind: 'remedy_done';
      readonly at: number;
      readonly remedy: Remedy;
      /** Why the remedy failed; null when it succeeded. */
      readonly error: string | null;
      /** True when it could not even be begun. Default: false. */
      readonly isUntried?: boolean;
    };

/** An action that the monitor carries out after an event (monitor/recovery.ts), in the order of the list. */
export type Action =
  /** Write a line to the log: `event` for machines, `text` for people. */
  | { readonly kind: 'log'; readonly event: string; readonly text: string }
  /** Carry out a remedy, then send `remedy_done`. */
  | { readonly kind: 'remedy'; readonly remedy: Exclude<Remedy, 'kill'>; readonly cause: Cause }
  | { readonly kind: 'remedy'; readonly remedy: 'kill'; readonly cause: null };

/** The settings of one port that the reducer needs. */
export interface HealthPolicy extends RestartPolicy {
  /** Failures in a row before a restart, and before an alert; at least 1; default 3. */
  readonly failureThreshold: number;
  /** Successes in a row that end an incident; at least 1; default 2. */
  readonly successThreshold: number;
  /** The port in words: "port 6274". */
  readonly place: string;
  /** The upstream in words: "localhost:6274". */
  readonly upstream: string;
  /** The upstream may be off: the port then waits for it instead of failing. */
  readonly optional: boolean;
  /** Most ports fail at once, so no remedy for a load-sensitive cause is carried out (mass-failure.ts). */
  readonly restartsPaused: boolean;
}

/** The result of an event: the new health, and what to do. */
export interface Transition {
  /** The very same object as before when nothing has changed; the monitor then writes no file. */
  readonly health: Health;
  readonly actions: readonly Action[];
}

export const logAction = (event: string, text: string): Action => ({ kind: 'log', event, text });
