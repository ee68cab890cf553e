import type { PortOwner } from '../system/proc/port-owner.ts';
import type { ConnectionStats, EngineCounts } from './connection-stats.ts';

export interface ProxyReport {
  readonly pid: number;
  readonly startedAt: number;
  readonly engine: string;
  /** Why this one, in words. */
  readonly engineReason: string | null;
  /** Whether the thread that moves the bytes lives, where it is not the one that makes this report. */
  readonly dataPath: 'ok' | 'stuck' | 'unknown';
  readonly bindings: readonly Binding[];
  readonly connections: EngineCounts & ConnectionStats;
  /** User and system time of this process, all threads. */
  readonly cpuMs: number;
}

/** One address that the proxy is to listen on. */
export interface Binding {
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** `not_needed`: the upstream itself, which shares the port, listens there already. */
  readonly state: 'bound' | 'not_needed' | 'in_use' | 'failed';
  readonly code: string | null;
  readonly portOwner: PortOwner | null;
}
