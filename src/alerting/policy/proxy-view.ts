import { MONITOR_APP } from '../../config/app-names.ts';
import type { Health } from '../../health/state.ts';
import type { Cause } from '../../health/types.ts';
import type { MonitorProblem } from '../../status/monitor-problem.ts';

/** The present facts about a port. */
export interface ProxyView {
  /** The machine's name. */
  readonly host: string;
  /** The PM2 app's name. */
  readonly name: string;
  readonly label: string;
  /** "port 6274". */
  readonly place: string;
  readonly upstream: string;
  /** Its own time that an outage lasts before it is announced, in milliseconds; null: that of the policy. */
  readonly afterMs: number | null;
  readonly health: Health;
  /** False while no check of this run of the monitor could look: then `health` is only what an earlier one has left. */
  readonly isChecked: boolean;
  /** True when a check of this run of the monitor has failed. */
  readonly hasFailed: boolean;
  /** The result of the failed check, the way in which the process ended, or why PM2 cannot start it. */
  readonly detail: string | null;
  /** The process that holds the port, when it is not the proxy. */
  readonly portOwner: string | null;
  /** True when the proxy listens on the port that its upstream has on loopback. */
  readonly sharesPort: boolean;
  /** The advice on addresses that the system refuses; null when there is none. */
  readonly listenAdvice: string | null;
  /** The advice on an app that PM2 cannot start; null when there is none. */
  readonly startAdvice: string | null;
  /** The step after which PM2 restarts what dies; null while PM2 does so already. */
  readonly supervisionCure: string | null;
  /** The limits that only warn and are exceeded: a text for each cause. */
  readonly limits: Readonly<Partial<Record<Cause, string>>>;
}

/** The present facts about the monitor itself, as alerts need them. */
export interface MonitorView {
  /** Its PM2 app: two monitors of one machine are two senders. */
  readonly app: string;
  readonly host: string;
  /** The start of the monitor, in wall-clock milliseconds. */
  readonly startedAt: number;
  readonly problems: readonly MonitorProblem[];
}

export const NO_PROBLEMS: MonitorView = { app: MONITOR_APP, host: '', startedAt: 0, problems: [] };
