import type { Budget } from './circuit-breaker.ts';
import type { Health } from './state.ts';
import type { Cause, Cure, Evidence } from './types.ts';

/** What a look saw; that a port crashes again and again is remembered here. */
export type Sight = Omit<Evidence, 'crashes'>;

export interface Look {
  readonly kind: 'look';
  readonly atMs: number;
  readonly pid: number | null;
  readonly evidence: Sight;
  /** The upstream was checked since the look before: without it there is no news of it. */
  readonly isProbed: boolean;
}

export type HealthEvent =
  | Look
  /** The control connection ended: without a goodbye it was a crash, with one somebody restarts or stops the proxy. */
  | { readonly kind: 'crash' | 'left'; readonly atMs: number }
  | { readonly kind: 'cured'; readonly atMs: number; readonly cure: Cure; readonly error: string | null };

export type Action =
  | { readonly kind: 'tell'; readonly event: string; readonly text: string }
  | { readonly kind: 'cure'; readonly cure: Exclude<Cure, 'kill'>; readonly cause: Cause }
  | { readonly kind: 'cure'; readonly cure: 'kill'; readonly cause: null };

export interface HealthPolicy extends Budget {
  /** Failures in a row before a restart, and before an alert; at least 1. */
  readonly failureThreshold: number;
  /** Successes in a row that end an incident; at least 1. */
  readonly successThreshold: number;
  /** "port 6274". */
  readonly place: string;
  readonly upstream: string;
  readonly optional: boolean;
  /** Most ports fail at once: what may be the machine's fault is not cured (mass-failure.ts). */
  readonly isBraked: boolean;
}

export interface Step {
  readonly health: Health;
  readonly actions: readonly Action[];
}

export const tell = (event: string, text: string): Action => ({ kind: 'tell', event, text });
