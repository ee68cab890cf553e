import type { Notice, NoticeKind, Severity } from '../core/notices.ts';

/** As Prometheus and Alertmanager know an alert. */
export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
}

/**
 * One alert from its first word to its last. Its labels name it, so they are the same all the time: the severity is that
 * of its kind, and the cause is an annotation.
 */
const ALERTS: Readonly<Record<NoticeKind, readonly [alertname: string, severity: Severity]>> = {
  down: ['SteadyportDown', 'critical'],
  restarted: ['SteadyportDown', 'critical'],
  gave_up: ['SteadyportDown', 'critical'],
  recovered: ['SteadyportDown', 'critical'],
  reminder: ['SteadyportDown', 'critical'],
  flapping: ['SteadyportFlapping', 'warning'],
  steady: ['SteadyportFlapping', 'warning'],
  warning: ['SteadyportWarning', 'warning'],
  test: ['SteadyportTest', 'info'],
};

export const labelsOf = ({ kind, proxy }: Notice): Readonly<Record<string, string>> => {
  const [alertname, severity] = ALERTS[kind];
  return { alertname, proxy, severity };
};

export const annotationsOf = (notice: Notice): Readonly<Record<string, string>> => {
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
export const fingerprintOf = (labels: Readonly<Record<string, string>>): string => {
  const bytes = Object.keys(labels)
    .toSorted()
    .flatMap((name) => [name, labels[name] ?? ''])
    .flatMap((text) => [...new TextEncoder().encode(text), 0xff]);
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
};

export const rfc3339 = (atMs: number): string => new Date(atMs).toISOString();
