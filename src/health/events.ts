import type { RestartPolicy } from './circuit-breaker.ts';
import type { Health } from './state.ts';
import type { Cause, Evidence, Remedy } from './types.ts';

/** What a look saw; that a port crashes again and again is remembered here. */
export type CheckEvidence = Omit<Evidence, 'crashes'>;

export interface CheckEvent {
  readonly kind: 'check';
  readonly at: number;
  readonly pid: number | null;
  readonly evidence: CheckEvidence;
  /** The upstream was checked since the look before: without it there is no news of it. */
  readonly isProbed: boolean;
}

export type HealthEvent =
  | CheckEvent
  /** The control connection ended: without a goodbye it was a crash, with one somebody restarts or stops the proxy. */
  | { readonly kind: 'crash' | 'goodbye'; readonly at: number }
  | {
      readonly kind: 'remedy_done';
      readonly at: number;
      readonly remedy: Remedy;
      readonly error: string | null;
    };

export type Action =
  | { readonly kind: 'log'; readonly event: string; readonly text: string }
  | { readonly kind: 'remedy'; readonly remedy: Exclude<Remedy, 'kill'>; readonly cause: Cause }
  | { readonly kind: 'remedy'; readonly remedy: 'kill'; readonly cause: null };

export interface HealthPolicy extends RestartPolicy {
  /** Failures in a row before a restart, and before an alert; at least 1. */
  readonly failureThreshold: number;
  /** Successes in a row that end an incident; at least 1. */
  readonly successThreshold: number;
  /** "port 6274". */
  readonly place: string;
  readonly upstream: string;
  readonly optional: boolean;
  /** Most ports fail at once: what may be the machine's fault is not cured (mass-failure.ts). */
  readonly restartsPaused: boolean;
}

export interface Transition {
  readonly health: Health;
  readonly actions: readonly Action[];
}

export const logAction = (event: string, text: string): Action => ({ kind: 'log', event, text });
