import type { Usage } from '../health/resource-limits.ts';
import type { ProxyState } from '../health/state.ts';
import type { Cause, Remedy } from '../health/types.ts';

/** What `steadyport status --json` and /api/v1/status give; durations and times are whole milliseconds. */
export interface Snapshot {
  /** Of this format. */
  readonly version: 1;
  readonly generatedAt: number;
  /** Null when the monitor could not be reached. */
  readonly monitor: MonitorStatus | null;
  /** Of a monitor that is there and does not answer: what is wrong with it, and what to do. */
  readonly monitorProblem: string | null;
  readonly proxies: readonly ProxyStatus[];
  /** The last lines of the monitor's log, oldest first. */
  readonly log: readonly string[];
}

export interface MonitorStatus {
  readonly pid: number;
  readonly version: string;
  readonly startedAt: number;
  readonly intervalMs: number;
  readonly lastCheckAt: number;
  /** Why PM2's list could not be had, null when it could. */
  readonly pm2Problem: string | null;
  readonly http: string | null;
  readonly alerts: AlertsStatus;
}

export interface AlertsStatus {
  /** Null while alerts are not silenced. */
  readonly silenceEndsAt: number | null;
  readonly channels: readonly {
    readonly name: string;
    /** How many messages it has not taken yet. */
    readonly waiting: number;
    /** What its last try said; null after one that went well. */
    readonly problem: string | null;
  }[];
}

/** Nobody is told. */
export const NO_ALERTS: AlertsStatus = { silenceEndsAt: null, channels: [] };

export interface ProxyStatus {
  readonly name: string;
  /** "6274", or a unix socket's file name. */
  readonly id: string;
  /** Null for a unix socket. */
  readonly port: number | null;
  readonly label: string;
  readonly listen: readonly string[];
  readonly upstream: string;
  readonly optional: boolean;
  readonly state: ProxyState;
  readonly cause: Cause | null;
  readonly since: number;
  /** What the failed check said, or how the process ended. */
  readonly detail: string | null;
  readonly pid: number | null;
  readonly pm2: string;
  readonly engine: string | null;
  /** Why this engine, in words. */
  readonly engineReason: string | null;
  readonly restarts: { readonly crash: number; readonly forced: number };
  readonly failures: { readonly consecutive: number; readonly sinceHealthy: number; readonly total: number };
  readonly failureThreshold: number;
  readonly recovery: { readonly count: number; readonly lastMs: number; readonly meanMs: number };
  /** Since the first look at it; to three decimals. */
  readonly uptimePercent: number;
  /** The last ones, oldest first; `endedAt` is null while it goes on. */
  readonly incidents: readonly {
    readonly startedAt: number;
    readonly endedAt: number | null;
    readonly cause: Cause;
    readonly actions: readonly Remedy[];
  }[];
  /** What is over a limit that only warns, in words. */
  readonly warnings: readonly string[];
  readonly usage: Usage;
  /** When restarts are tried no more for now: the next try. */
  readonly nextRestartAt: number | null;
  readonly connections: { readonly active: number; readonly total: number };
  readonly checkMs: number | null;
  /** Who has the port, when it is not the proxy. */
  readonly portOwner: string | null;
  /** Where to open it from elsewhere. */
  readonly urls: readonly string[];
  /** Whether a connection to a non-loopback address of this host is accepted; null when it was not tried. */
  readonly answersOnOwnAddress: boolean | null;
}

/** What stands for PM2's word on an app when PM2 has none. */
export const PM2_NOT_LISTED = 'not in the list';
export const PM2_NOT_REACHABLE = 'not reachable';
