/**
 * The room status: the format of the status, and its texts for people. It is pure: the monitor or a command provides the facts.
 * snapshot.ts has the format, summary.ts the headline and the exit code, readiness.ts the answer to orchestrators, render.ts
 * and evidence.ts the texts.
 */

import type { Usage } from '../health/resource-limits.ts';
import type { ProxyState } from '../health/state.ts';
import type { Cause, Remedy } from '../health/types.ts';
import type { MonitorProblem } from './monitor-problem.ts';

/** Another version is of a monitor or a command of another release: its fields may have other names. */
export const SNAPSHOT_VERSION = 2;

/**
 * The output of `steadyport status --json` and of /api/v1/status. Times are wall-clock milliseconds, durations are whole
 * milliseconds.
 */
export interface Snapshot {
  /** The version of this format. */
  readonly version: typeof SNAPSHOT_VERSION;
  /** The machine's name. */
  readonly host: string;
  /** The project's name; `default` for the config of the checkout. */
  readonly project: string;
  readonly generatedAt: number;
  /** Null when the monitor could not be reached. */
  readonly monitor: MonitorStatus | null;
  /** The problem of a monitor that exists and does not answer, and the next step; null otherwise. */
  readonly monitorProblem: string | null;
  /** Why PM2 cannot start a monitor that is not there; null, or missing, when nothing is known. */
  readonly monitorStartProblem?: string | null;
  readonly proxies: readonly ProxyStatus[];
  /** The ports that the config disables. Nothing is wanted of them, so that they count nowhere. */
  readonly disabled: readonly DisabledProxy[];
  /** The last lines of the monitor's log, oldest first. */
  readonly log: readonly string[];
  /** The other projects of this STEADYPORT_HOME that were started. Only `steadyport status` looks for them. */
  readonly otherProjects?: readonly OtherProjectStatus[];
}

export interface OtherProjectStatus {
  readonly name: string;
  readonly configPath: string;
  /** True when its monitor runs. */
  readonly running: boolean;
}

/** A proxy with `"enabled": false`. */
export type DisabledProxy = Pick<ProxyStatus, 'name' | 'id' | 'port' | 'label'>;

export interface MonitorStatus {
  readonly pid: number;
  readonly version: string;
  /** The PM2 daemon that supervises the monitor; null when there is none. Monitors of earlier versions do not report it. */
  readonly supervisor?: { readonly pid: number; readonly home: string } | null;
  readonly startedAt: number;
  /** The ends of monitors that nobody had asked to leave; kept over restarts. */
  readonly crashes: number;
  readonly intervalMs: number;
  /** The last look at the port that was checked the longest ago. A check that could not look does not count. */
  readonly lastCheckAt: number;
  /** The reason why PM2's list is not available; null when it is. */
  readonly pm2Problem: string | null;
  /** What is wrong with the monitor itself, or with what it needs; the gravest first. */
  readonly problems: readonly MonitorProblem[];
  /** The URL of the monitor's HTTP; null while it is not served. */
  readonly http: string | null;
  readonly alerts: AlertsStatus;
}

/** What is known of a port, and not announced for now. */
export interface HeldBack {
  readonly proxy: string;
  /** `patience`: its outage has not lasted long enough. `flapping`: it comes and goes, which was announced once. */
  readonly reason: 'patience' | 'flapping';
  /** The beginning of the outage, or of the flapping. */
  readonly since: number;
  /** The time at which the outage will be announced when it goes on; null while there is none. */
  readonly dueAt: number | null;
  /** The channels that are to hear of it then. */
  readonly channels: readonly string[];
}

export interface AlertsStatus {
  /** Null while alerts are not silenced. */
  readonly silenceEndsAt: number | null;
  readonly heldBack: readonly HeldBack[];
  /** The number of notices that wait for the end of the quiet hours. */
  readonly deferred: number;
  readonly channels: readonly {
    readonly name: string;
    /** The number of messages that wait for the channel. */
    readonly waiting: number;
    /** Why the last attempt failed; null when it succeeded. */
    readonly problem: string | null;
  }[];
}

export const NO_ALERTS: AlertsStatus = { silenceEndsAt: null, heldBack: [], deferred: 0, channels: [] };

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
  /** The allow list, as in the config. */
  readonly allow: readonly string[];
  readonly state: ProxyState;
  readonly cause: Cause | null;
  readonly since: number;
  /** The result of the failed check, the way in which the process ended, or why PM2 cannot start it. */
  readonly detail: string | null;
  readonly pid: number | null;
  readonly pm2: string;
  readonly engine: string | null;
  /** The reason for the choice of this engine, in words. */
  readonly engineReason: string | null;
  readonly restarts: { readonly crash: number; readonly forced: number };
  readonly failures: { readonly consecutive: number; readonly sinceHealthy: number; readonly total: number };
  readonly failureThreshold: number;
  readonly recovery: { readonly count: number; readonly lastMs: number; readonly meanMs: number };
  /** Since the first check, to three decimals; null within the first ten minutes. */
  readonly uptimePercent: number | null;
  /** The last MAX_HISTORY incidents, oldest first; `endedAt` is null while an incident goes on. */
  readonly incidents: readonly {
    readonly startedAt: number;
    readonly endedAt: number | null;
    readonly cause: Cause;
    readonly actions: readonly Remedy[];
  }[];
  /** The limits that only warn and are exceeded, in words. */
  readonly warnings: readonly string[];
  readonly usage: Usage;
  /** The next restart, when earlier ones did not help; null otherwise. */
  readonly nextRestartAt: number | null;
  readonly connections: { readonly active: number; readonly total: number };
  /** The clients that the running process has refused. */
  readonly refusals: {
    /** The count of each reason (isRefusal of lib/close-reason.ts); a reason that did not occur is left out. */
    readonly byReason: Readonly<Record<string, number>>;
    /** The last client that the allow list refused; null when there is none. */
    readonly lastNotAllowed: { readonly host: string; readonly at: number } | null;
  };
  readonly checkMs: number | null;
  /** The addresses that the proxy does not have, why and whose they are, and those that it serves; null when it has all. */
  readonly listenProblem: string | null;
  /** What to do about those that the system refuses; null when nothing is known that would help. */
  readonly listenAdvice: string | null;
  /** What to do so that PM2 can start its process; null while it runs, and when nothing is known. Monitors of earlier versions do not have it. */
  readonly startAdvice?: string | null;
  /** The process that holds the port, when it is not the proxy. */
  readonly portOwner: string | null;
  /** True when the proxy listens on the port that its upstream has on loopback. */
  readonly sharesPort: boolean;
  /** The URLs to open from another machine. */
  readonly urls: readonly string[];
  /** True when a connection to a non-loopback address of this host is accepted; null when that was not checked. */
  readonly answersOnOwnAddress: boolean | null;
  /** Why no process of this project serves the port, where that is no fault of one. Only `steadyport status` without a monitor has it. */
  readonly absence?: Absence;
}

/** `not_started`: the project was never started. `other_user`: the port is another user's. */
export type Absence =
  | { readonly kind: 'not_started' }
  | {
      readonly kind: 'other_user';
      readonly user: string;
      /** Null when this user may not see the process. */
      readonly pid: number | null;
      /** True for a proxy of steadyport; null when this user may not see what it is. */
      readonly isProxy: boolean | null;
    };

/** The `pm2` of an app that PM2 does not list, and of every app while PM2 cannot be asked. */
export const PM2_NOT_LISTED = 'not in the list';
export const PM2_NOT_REACHABLE = 'not reachable';
