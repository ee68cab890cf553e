import type { ProxyConfig } from '../config/config.ts';
import type { Sample } from '../health/resource-limits.ts';
import type { Health } from '../health/state.ts';
import type { EngineCounts } from '../proxy/connection-stats.ts';
import type { Totals } from './counter-totals.ts';

/** What is measured of one proxy; null where nothing is known. */
export interface ProxySample {
  readonly proxy: string;
  readonly health: Health;
  /** Of all its processes, one after the other. */
  readonly totals: Totals;
  /** What its process says of now. */
  readonly connections: Pick<
    EngineCounts,
    'active' | 'waitingForUpstream' | 'waitingForSlot' | 'maxConnections'
  > | null;
  /** When that process began, by the wall clock. */
  readonly processStartedAt: number | null;
  readonly resources: Sample | null;
  readonly probe: {
    readonly type: ProxyConfig['probe']['type'];
    /** Of the upstream. */
    readonly isOk: boolean | null;
    readonly durationMs: number | null;
    readonly lastOkAt: number | null;
  };
}
