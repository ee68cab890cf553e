import type { PortOwner } from '../system/proc/port-owner.ts';
import type { ConnectionStats, EngineCounts } from './connection-stats.ts';

/** What a running proxy reports of itself. */
export interface ProxyReport {
  readonly pid: number;
  /** Milliseconds of the wall clock. */
  readonly startedAt: number;
  readonly engine: string;
  /** Why this engine was chosen, in words. */
  readonly engineReason: string | null;
  /** Whether the thread that moves the bytes is alive; `unknown` where that thread makes this report itself. */
  readonly dataPath: 'ok' | 'stuck' | 'unknown';
  readonly bindings: readonly Binding[];
  readonly connections: EngineCounts & ConnectionStats;
  /** User and system time of this process since its start, all threads, in milliseconds. */
  readonly cpuMs: number;
}

/** One address that the proxy is configured to listen on. */
export interface Binding {
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** `not_needed`: the upstream shares the port and listens on this address itself. */
  readonly state: 'bound' | 'not_needed' | 'in_use' | 'failed';
  /** The system's error code; null when the address is bound. */
  readonly code: string | null;
  /** Who holds the address; null when it is free, or when nobody can be found. */
  readonly portOwner: PortOwner | null;
}
