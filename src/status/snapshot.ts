import type { Usage } from '../health/resource-limits.ts';
import type { ProxyState } from '../health/state.ts';
import type { Cause, Remedy } from '../health/types.ts';

/** What `steadyport status --json` and /api/v1/status give. Times are wall-clock milliseconds, durations whole milliseconds. */
export interface Snapshot {
  /** The version of this format. */
  readonly version: 1;
  readonly generatedAt: number;
  /** Null when the monitor could not be reached. */
  readonly monitor: MonitorStatus | null;
  /** What is wrong with a monitor that is there and does not answer, and what to do; null otherwise. */
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
  /** Why PM2's list is not available; null when it is. */
  readonly pm2Problem: string | null;
  /** The URL of the monitor's HTTP; null while it is not served. */
  readonly http: string | null;
  readonly alerts: AlertsStatus;
}

export interface AlertsStatus {
  /** Null while alerts are not silenced. */
  readonly silenceEndsAt: number | null;
  readonly channels: readonly {
    readonly name: string;
    /** How many messages wait for the channel. */
    readonly waiting: number;
    /** Why the last attempt failed; null when it succeeded. */
    readonly problem: string | null;
  }[];
}

export const NO_ALERTS: AlertsStatus = { silenceEndsAt: null, channels: [] };

export interface ProxyStatus {
  readonly name: string;
  /** The port, such as "6274", or a unix socket's file name. */
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
  /** Why it is this engine, in words. */
  readonly engineReason: string | null;
  readonly restarts: { readonly crash: number; readonly forced: number };
  readonly failures: { readonly consecutive: number; readonly sinceHealthy: number; readonly total: number };
  readonly failureThreshold: number;
  readonly recovery: { readonly count: number; readonly lastMs: number; readonly meanMs: number };
  /** Since the first check, to three decimals. */
  readonly uptimePercent: number;
  /** The last MAX_HISTORY incidents, oldest first; `endedAt` is null while an incident goes on. */
  readonly incidents: readonly {
    readonly startedAt: number;
    readonly endedAt: number | null;
    readonly cause: Cause;
    readonly actions: readonly Remedy[];
  }[];
  /** What exceeds a limit that only warns, in words. */
  readonly warnings: readonly string[];
  readonly usage: Usage;
  /** The next restart, when earlier ones did not help; null otherwise. */
  readonly nextRestartAt: number | null;
  readonly connections: { readonly active: number; readonly total: number };
  readonly checkMs: number | null;
  /** The process that has the port, when it is not the proxy. */
  readonly portOwner: string | null;
  /** What to open from another machine. */
  readonly urls: readonly string[];
  /** Whether a connection to a non-loopback address of this host is accepted; null when that was not checked. */
  readonly answersOnOwnAddress: boolean | null;
}

/** The `pm2` of an app that PM2 does not list, and of every app while PM2 cannot be asked. */
export const PM2_NOT_LISTED = 'not in the list';
export const PM2_NOT_REACHABLE = 'not reachable';
