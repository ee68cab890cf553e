import type { Notification, NotificationKind } from '../policy/notification.ts';

/** As Prometheus and Alertmanager know an alert. */
export interface Alert {
  readonly labels: LabelSet;
  readonly annotations: LabelSet;
  /** RFC 3339. */
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
}

const DOWN = { alertname: 'SteadyportDown', severity: 'critical' };
const FLAPPING = { alertname: 'SteadyportFlapping', severity: 'warning' };
const WARNING = { alertname: 'SteadyportWarning', severity: 'warning' };
const TEST = { alertname: 'SteadyportTest', severity: 'info' };

export type LabelSet = Readonly<Record<string, string>>;

/**
 * One alert from its first word to its last. Its labels name it, so they are the same all the time: the severity is that
 * of its kind, and the cause is an annotation.
 */
const LABELS_BY_KIND: Readonly<Record<Exclude<NotificationKind, 'reminder'>, LabelSet>> = {
  down: DOWN,
  restarted: DOWN,
  gave_up: DOWN,
  recovered: DOWN,
  flapping: FLAPPING,
  steady: FLAPPING,
  warning: WARNING,
  test: TEST,
};

/** A reminder is of what goes on: of a port that is down, or, less grave, of one that comes and goes. */
export const labelsOf = ({ kind, severity, proxy }: Notification): LabelSet => ({
  ...(kind !== 'reminder' ? LABELS_BY_KIND[kind] : severity === 'critical' ? DOWN : FLAPPING),
  proxy,
});

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

/** Alertmanager's own: FNV-1a of 64 bits over the sorted labels (prometheus/common, model/signature.go). */
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
