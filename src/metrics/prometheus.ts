/**
 * The room metrics: keeps the counts of the proxies beyond the ends of their processes, and renders a Prometheus scrape.
 * A metric is one row of table.ts; this file registers the rows with prom-client and fills in their values.
 */

import { Counter, Gauge, Histogram as PromHistogram, Registry } from 'prom-client';
import type { DeliveryCounts } from '../alerting/delivery.ts';
import type { Histogram } from '../lib/histogram-schema.ts';
import type { Snapshot } from '../status/snapshot.ts';
import type { ProcessUsage } from '../system/proc/process-usage.ts';
import type { Labels, MetricRow } from './row.ts';
import type { ProxyMetrics } from './sample.ts';
import { MONITOR_METRICS, PROXY_METRICS } from './table.ts';

/** The metrics of the monitor and of its proxies, as Prometheus scrapes them. */
export interface Metrics {
  readonly contentType: string;
  /**
   * The text of a scrape (https://prometheus.io/docs/instrumenting/exposition_formats/).
   * @param alerts default: no notification was sent
   * @param figures the resource usage of the monitor's process and of PM2's. Default: unknown
   */
  render(
    snapshot: Snapshot,
    samples: readonly ProxyMetrics[],
    alerts?: DeliveryCounts,
    figures?: ProcessUsage,
  ): Promise<string>;
}

const NO_LABELS: Labels = {};

/**
 * @param onBroken is called once for each metric with a sample that cannot be shown, and is left out. Default: it is not
 * reported
 */
export const createMetrics = (onBroken = (_: string): void => {}): Metrics => {
  const registry = new Registry();
  const attempt = createAttempt(onBroken);
  const monitorMetrics = MONITOR_METRICS.map((row) =>
    registerMetric(registry, attempt, row, [], () => NO_LABELS),
  );
  const proxyMetrics = PROXY_METRICS.map((row) =>
    registerMetric(registry, attempt, row, ['proxy'], ({ proxy }) => ({ proxy })),
  );
  return {
    contentType: registry.contentType,
    render: ({ monitor, host }, samples, alerts = {}, figures) => {
      for (const update of monitorMetrics) update([{ monitor, host, alerts, usage: figures }]);
      for (const update of proxyMetrics) update(samples);
      return registry.metrics();
    },
  };
};

/** Runs what makes one sample of a metric. One that throws is left out, so that the rest of the page is shown. */
type Attempt = (name: string, run: () => void) => void;

const createAttempt = (onBroken: (problem: string) => void): Attempt => {
  const reported = new Set<string>();
  return (name, run) => {
    try {
      run();
    } catch (error) {
      if (!reported.has(name))
        onBroken(`${name} has a sample that cannot be shown: ${(error as Error).message}`);
      reported.add(name);
    }
  };
};

/** Replaces the values of a metric by those that the sources have now. */
type Update<S> = (sources: readonly S[]) => void;

/** @param sourceLabels the names of the labels that `labelsOf` gives each source, before those of the row */
const registerMetric = <S>(
  registry: Registry,
  attempt: Attempt,
  { name, type, help, labels, read }: MetricRow<S>,
  sourceLabels: readonly string[],
  labelsOf: (source: S) => Labels,
): Update<S> => {
  const config: MetricConfig = {
    name: `steadyport_${name}`,
    help,
    labelNames: [...sourceLabels, ...labels],
    registers: [registry],
  };
  if (type === 'histogram') {
    const histogram = new PrecountedHistogram(config);
    return (sources) => {
      const values: HistogramValue[] = [];
      for (const source of sources)
        attempt(config.name, () =>
          values.push(...histogramValues(config.name, labelsOf(source), read(source))),
        );
      histogram.replace(values);
    };
  }
  const { metric, write } = type === 'gauge' ? createGauge(config) : createCounter(config);
  return (sources) => {
    metric.reset();
    // prom-client starts a metric without labels at 0, which would be wrong where the value is unknown.
    if (config.labelNames.length === 0) metric.remove();
    for (const source of sources)
      attempt(config.name, () => {
        const reading = read(source) ?? [];
        const values = typeof reading === 'number' ? [[NO_LABELS, reading] as const] : reading;
        for (const [ownLabels, value] of values)
          attempt(config.name, () => write({ ...labelsOf(source), ...ownLabels }, value));
      });
  };
};

interface MetricConfig {
  readonly name: string;
  readonly help: string;
  readonly labelNames: string[];
  readonly registers: Registry[];
}

const createGauge = (config: MetricConfig) => {
  const metric = new Gauge(config);
  return { metric, write: (labels: Labels, value: number): void => metric.set(labels, value) };
};

/** A counter adds up the values that a sample has for the same labels. */
const createCounter = (config: MetricConfig) => {
  const metric = new Counter(config);
  return { metric, write: (labels: Labels, value: number): void => metric.inc(labels, value) };
};

/** A histogram whose counts come from elsewhere: prom-client's own counts only what it has observed itself. */
class PrecountedHistogram extends PromHistogram {
  readonly #name: string;
  readonly #help: string;
  #values: readonly HistogramValue[] = [];

  constructor(config: MetricConfig) {
    super(config);
    this.#name = config.name;
    this.#help = config.help;
  }

  replace(values: readonly HistogramValue[]): void {
    this.#values = values;
  }

  /** prom-client's registry calls this for the text of a histogram (its lib/registry.js); its types leave it out. */
  async getForPromString() {
    return { name: this.#name, help: this.#help, type: 'histogram', aggregator: 'sum', values: this.#values };
  }
}

interface HistogramValue {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** The lines of one histogram. Each bucket includes those before it; the last one, `+Inf`, includes all. */
const histogramValues = (
  name: string,
  labels: Labels,
  { boundsMs, counts, sumMs }: Histogram,
): readonly HistogramValue[] => {
  let count = 0;
  const buckets = counts.map((bucketCount, bucket) => {
    count += bucketCount;
    const boundMs = boundsMs[bucket];
    const le = boundMs === undefined ? '+Inf' : boundMs / 1_000;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sumMs / 1_000 },
    { metricName: `${name}_count`, labels, value: count },
  ];
};
