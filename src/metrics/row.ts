import type { Histogram } from '../lib/histogram.ts';

export type Labels = Readonly<Record<string, string>>;

/** The value of a metric without labels of its own, or one value for each set of labels; null or undefined: unknown. */
export type Reading = number | null | undefined | readonly (readonly [labels: Labels, value: number])[];

/**
 * One metric of a source S: the name without its prefix, the type, the help text, the label names, and how to read it.
 * A name has the base unit of its value; a label has few values, never a client's address
 * (https://prometheus.io/docs/practices/naming/).
 */
export type MetricRow<S> =
  | readonly [
      name: string,
      type: 'gauge' | 'counter',
      help: string,
      labels: readonly string[],
      read: (source: S) => Reading,
    ]
  | readonly [
      name: string,
      type: 'histogram',
      help: string,
      labels: readonly [],
      read: (source: S) => Histogram,
    ];

/** Prometheus counts time in seconds; unknown stays unknown. */
export const toSeconds = (ms: number | null | undefined): number | null =>
  ms === null || ms === undefined ? null : ms / 1_000;

/** A condition as a metric: 1 when it holds. */
export const toFlag = (holds: boolean): number => (holds ? 1 : 0);

/** One value for each key of `counts`, which becomes the value of the label. */
export const byLabel = (label: string, counts: Readonly<Record<string, number>>): Reading =>
  Object.entries(counts).map(([key, count]) => [{ [label]: key }, count]);
