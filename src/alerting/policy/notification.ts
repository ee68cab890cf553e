import type { Cause } from '../../health/types.ts';

/** The events of a port that a notification announces. */
export type NotificationKind =
  | 'down'
  | 'restarted'
  | 'gave_up'
  | 'recovered'
  | 'flapping'
  | 'steady'
  | 'reminder'
  | 'warning'
  | 'test';
export type Severity = 'critical' | 'warning' | 'info';

/** One announcement about one port, in words and in figures. Instants are wall-clock milliseconds. */
export interface Notification {
  readonly kind: NotificationKind;
  readonly severity: Severity;
  /** The PM2 app's name, `tcp-proxy-<port>`; `proxy-monitor` for what concerns the machine. */
  readonly proxy: string;
  readonly label: string;
  readonly cause: Cause | null;
  readonly startedAt: number;
  /** Null while it goes on. */
  readonly endedAt: number | null;
  /** One sentence: what is wrong, or that it is over and how long it took. */
  readonly summary: string;
  /** Why, as far as the evidence goes; null when there is nothing to add. */
  readonly reason: string | null;
  /** The remedies that were tried; null when none is known. */
  readonly actionTaken: string | null;
  /** The next step for the reader; null when nothing needs to be done. */
  readonly nextStep: string | null;
}

/** Notifications that are sent together, to each channel. */
export interface Message {
  /** The same in every try, so that a receiver can recognize a duplicate. */
  readonly id: string;
  readonly createdAt: number;
  readonly notifications: readonly Notification[];
}

/** An announced outage or flapping, as a state channel (Alertmanager) gets it again and again while it lasts. */
export interface ActiveAlert {
  readonly notification: Notification;
  readonly startsAt: number;
  /** Null while it goes on. */
  readonly endsAt: number | null;
}
