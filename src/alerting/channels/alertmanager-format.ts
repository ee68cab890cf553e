import type { Severity } from '../../kinds/channels/severity.ts';
import type { Notification, NotificationKind } from '../policy/notification.ts';

/** An alert in the format of Prometheus and Alertmanager. */
export interface Alert {
  readonly labels: LabelSet;
  readonly annotations: LabelSet;
  /** A time in the format of RFC 3339. */
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
}

const DOWN = { alertname: 'SteadyportDown', severity: 'critical' };
const FLAPPING = { alertname: 'SteadyportFlapping', severity: 'warning' };
const WARNING = { alertname: 'SteadyportWarning', severity: 'warning' };
const PROBLEM = { alertname: 'SteadyportMonitorProblem', severity: 'warning' };
const TEST = { alertname: 'SteadyportTest', severity: 'info' };

export type LabelSet = Readonly<Record<string, string>>;

/**
 * An outage is one alert from its beginning to its end. Labels identify an alert, so they never change while it lasts: the
 * severity belongs to the kind of alert, and the cause is an annotation.
 */
const LABELS_BY_KIND: Readonly<Record<Exclude<NotificationKind, 'reminder'>, LabelSet>> = {
  down: DOWN,
  restarted: DOWN,
  gave_up: DOWN,
  recovered: DOWN,
  flapping: FLAPPING,
  steady: FLAPPING,
  warning: WARNING,
  problem: PROBLEM,
  solved: PROBLEM,
  test: TEST,
};

export const labelsOf = ({ kind, severity, proxy, host }: Notification): LabelSet => ({
  ...(kind === 'reminder' ? labelsOfReminder(severity) : LABELS_BY_KIND[kind]),
  proxy,
  host,
});

/** A reminder has the labels of the alert that it repeats: an outage when it is critical, otherwise flapping. */
const labelsOfReminder = (severity: Severity): LabelSet => (severity === 'critical' ? DOWN : FLAPPING);

export const annotationsOf = (notification: Notification): LabelSet => {
  const { label, summary, cause, reason, actionTaken, nextStep } = notification;
  const optionalAnnotations = { cause, why: reason, done: actionTaken, todo: nextStep };
  return {
    summary,
    description: [summary, reason, actionTaken, nextStep].filter((part) => part !== null).join('\n'),
    label,
    ...Object.fromEntries(
      Object.entries(optionalAnnotations).filter((entry): entry is [string, string] => entry[1] !== null),
    ),
  };
};

/**
 * The fingerprint that Alertmanager itself uses: FNV-1a of 64 bits over the sorted labels (prometheus/common,
 * model/signature.go).
 */
export const fingerprintOf = (labels: LabelSet): string => {
  const bytes = Object.keys(labels)
    .toSorted()
    .flatMap((name) => [name, labels[name] ?? ''])
    .flatMap((text) => [...new TextEncoder().encode(text), 0xff]);
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
};

export const formatRfc3339 = (at: number): string => new Date(at).toISOString();
