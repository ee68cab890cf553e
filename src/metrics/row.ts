import type { Histogram } from '../lib/histogram-schema.ts';

export type Labels = Readonly<Record<string, string>>;

/** The value of a metric without labels of its own, or one value for each set of labels; null or undefined: unknown. */
export type Reading = number | null | undefined | readonly (readonly [labels: Labels, value: number])[];

/** The fields that every metric has. */
interface RowText {
  /**
   * The name without the prefix `steadyport_`. It has the base unit of the value in it
   * (https://prometheus.io/docs/practices/naming/).
   */
  readonly name: string;
  readonly help: string;
}

/** A metric with a number for each set of labels. */
interface NumberRow<S> extends RowText {
  readonly type: 'gauge' | 'counter';
  /** The names of its labels. A label has few values, never a client's address. */
  readonly labels: readonly string[];
  readonly read: (source: S) => Reading;
}

/** A metric that counts durations in buckets. */
interface HistogramRow<S> extends RowText {
  readonly type: 'histogram';
  readonly labels: readonly [];
  readonly read: (source: S) => Histogram;
}

/** One metric, and how it is read from a source S. */
export type MetricRow<S> = NumberRow<S> | HistogramRow<S>;

/** Prometheus counts time in seconds; unknown stays unknown. */
export const toSeconds = (ms: number | null | undefined): number | null =>
  ms === null || ms === undefined ? null : ms / 1_000;

/** A condition as a metric: 1 when it holds. */
export const toFlag = (holds: boolean): number => (holds ? 1 : 0);

/** One value for each key of `counts`, which becomes the value of the label. */
export const byLabel = (label: string, counts: Readonly<Record<string, number>>): Reading =>
  Object.entries(counts).map(([key, count]) => [{ [label]: key }, count]);
