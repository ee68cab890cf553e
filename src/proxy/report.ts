import { isCount, isCountRecord, isHistogram } from '../lib/histogram.ts';
import type { PortOwner } from '../system/proc/port-owner.ts';
import type { ConnectionStats, EngineCounts } from './connection-stats.ts';

/** The report of a running proxy on itself. */
export interface ProxyReport {
  readonly pid: number;
  /** Milliseconds of the wall clock. */
  readonly startedAt: number;
  readonly engine: string;
  /** The reason for the choice of this engine, in words. */
  readonly engineReason: string | null;
  /** The state of the thread that moves the bytes; `unknown` where that thread makes this report itself. */
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
  /** The process that holds the address; null when it is free, or when no holder can be found. */
  readonly portOwner: PortOwner | null;
}

/**
 * True for a report as this version makes it. A proxy that was started by another version may report otherwise; then nothing
 * is known of it but that it answers.
 */
export const isProxyReport = (value: unknown): value is ProxyReport => {
  const { pid, startedAt, bindings, connections, cpuMs } = (value ?? {}) as Partial<ProxyReport>;
  const hasCounts = [pid, startedAt, cpuMs].every(isCount);
  return hasCounts && Array.isArray(bindings) && isConnectionCounts(connections);
};

const isConnectionCounts = (value: Partial<ProxyReport['connections']> | undefined): boolean => {
  const { active, total, waitingForUpstream, waitingForSlot, maxConnections } = value ?? {};
  const { bytesToUpstream, bytesToClient, connectFailures, byReason, connect, duration } = value ?? {};
  return (
    [active, total, waitingForUpstream, waitingForSlot, maxConnections].every(isCount) &&
    [bytesToUpstream, bytesToClient].every(isCount) &&
    [connectFailures, byReason].every(isCountRecord) &&
    [connect, duration].every(isHistogram)
  );
};
