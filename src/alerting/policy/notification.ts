import type { Cause } from '../../health/types.ts';

/** What people are told about a port. */
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

/** One thing to tell about one port, in words and in figures. Times are wall-clock milliseconds. */
export interface Notification {
  readonly kind: NotificationKind;
  readonly severity: Severity;
  /** The PM2 app, `tcp-proxy-<port>`; `proxy-monitor` for what concerns the machine. */
  readonly proxy: string;
  readonly label: string;
  readonly cause: Cause | null;
  readonly startedAt: number;
  /** Null while it goes on. */
  readonly endedAt: number | null;
  /** One sentence: what is the matter, or that it is over and how long it took. */
  readonly summary: string;
  /** As far as the evidence goes; null when there is nothing to add. */
  readonly reason: string | null;
  /** What was done about it. */
  readonly actionTaken: string | null;
  /** What to do. */
  readonly nextStep: string | null;
}

/** What goes out at once, to each channel. */
export interface Message {
  /** The same in every try: who gets it twice can tell. */
  readonly id: string;
  readonly createdAt: number;
  readonly notifications: readonly Notification[];
}

/** A port that is down and known to be: for the channel that is told again and again while it lasts (Alertmanager). */
export interface ActiveAlert {
  readonly notification: Notification;
  readonly startsAt: number;
  /** Null while it goes on. */
  readonly endsAt: number | null;
}

/** What became of one try to send. */
export type Delivery =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** Without the URL. */
      readonly problem: string;
      /** What the receiver asks for (Retry-After, retry_after); null when it says nothing. */
      readonly retryAfterMs: number | null;
      /** The same text will never be taken (400, 413, 422): trying again is of no use. */
      readonly isFinal: boolean;
    };
