import type { ProxyConfig } from '../config/config.ts';
import type { ResourceSample } from '../health/resource-limits.ts';
import type { Health } from '../health/state.ts';
import type { EngineCounts } from '../proxy/report.ts';
import type { Totals } from './counter-totals.ts';

/** The source of one proxy's metrics; null: unknown. */
export interface ProxyMetrics {
  readonly proxy: string;
  readonly health: Health;
  /** The checks, and steps of them, that failed in the monitor itself since its start. */
  readonly checkErrors: number;
  /** The counts of all processes of the port, one after the other. */
  readonly totals: Totals;
  /** The current connections, as the process reports them. */
  readonly connections: Pick<
    EngineCounts,
    'active' | 'waitingForUpstream' | 'waitingForSlot' | 'maxConnections'
  > | null;
  /** The start of the process, in wall-clock milliseconds. */
  readonly processStartedAt: number | null;
  readonly resources: ResourceSample | null;
  /** The last probe of the upstream. */
  readonly probe: {
    readonly type: ProxyConfig['probe']['type'];
    readonly isOk: boolean | null;
    readonly durationMs: number | null;
    /** The last success of a probe, in wall-clock milliseconds. */
    readonly lastOkAt: number | null;
  };
}
