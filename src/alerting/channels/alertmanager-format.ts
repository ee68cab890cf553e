import type { Notice, NoticeKind } from '../policy/notification.ts';

/** As Prometheus and Alertmanager know an alert. */
export interface Alert {
  readonly labels: Texts;
  readonly annotations: Texts;
  /** RFC 3339. */
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
}

const DOWN = { alertname: 'SteadyportDown', severity: 'critical' };
const FLAPPING = { alertname: 'SteadyportFlapping', severity: 'warning' };
const WARNING = { alertname: 'SteadyportWarning', severity: 'warning' };
const TEST = { alertname: 'SteadyportTest', severity: 'info' };

export type Texts = Readonly<Record<string, string>>;

/**
 * One alert from its first word to its last. Its labels name it, so they are the same all the time: the severity is that
 * of its kind, and the cause is an annotation.
 */
const ALERTS: Readonly<Record<Exclude<NoticeKind, 'reminder'>, Texts>> = {
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
export const labelsOf = ({ kind, severity, proxy }: Notice): Texts => ({
  ...(kind !== 'reminder' ? ALERTS[kind] : severity === 'critical' ? DOWN : FLAPPING),
  proxy,
});

export const annotationsOf = (notice: Notice): Texts => {
  const { label, what, cause, why, done, todo } = notice;
  const said = { cause, why, done, todo };
  return {
    summary: what,
    description: [what, why, done, todo].filter((part) => part !== null).join('\n'),
    label,
    ...Object.fromEntries(
      Object.entries(said).filter((entry): entry is [string, string] => entry[1] !== null),
    ),
  };
};

/** Alertmanager's own: FNV-1a of 64 bits over the sorted labels (prometheus/common, model/signature.go). */
export const fingerprintOf = (labels: Texts): string => {
  const bytes = Object.keys(labels)
    .toSorted()
    .flatMap((name) => [name, labels[name] ?? ''])
    .flatMap((text) => [...new TextEncoder().encode(text), 0xff]);
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
};

export const rfc3339 = (atMs: number): string => new Date(atMs).toISOString();
