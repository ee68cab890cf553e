import type * as v from 'valibot';
import { causeSchema } from '../../health/types.ts';
import { SEVERITIES, type Severity } from '../../kinds/channels/severity.ts';
import { fields, instant, listOf, oneOf, orNull, text, withDefault } from '../../lib/stored-fields.ts';

const kindSchema = oneOf([
  'down',
  'restarted',
  'gave_up',
  'recovered',
  'flapping',
  'steady',
  'reminder',
  'warning',
  /** Something is wrong with the monitor itself, or with what it needs. */
  'problem',
  'solved',
  'test',
]);

/** The events of a port, or of the monitor, that a notification announces. */
export type NotificationKind = v.InferOutput<typeof kindSchema>;

export const notificationSchema = fields({
  kind: kindSchema,
  severity: oneOf(SEVERITIES),
  /** The PM2 app's name, `tcp-proxy-<port>`; the monitor's for what concerns the machine. */
  proxy: text,
  label: text,
  /** The machine's name. */
  host: withDefault(text, ''),
  cause: orNull(causeSchema),
  startedAt: instant,
  /** Null while it goes on. */
  endedAt: orNull(instant),
  /** One sentence: what is wrong, or that it is over and how long it took. */
  summary: text,
  /** Why, as far as the evidence goes; null when there is nothing to add. */
  reason: orNull(text),
  /** The remedies that were tried; null when none is known. */
  actionTaken: orNull(text),
  /** The next step for the reader; null when nothing needs to be done. */
  nextStep: orNull(text),
});

/** One announcement about one port, in words and in figures. Instants are wall-clock milliseconds. */
export type Notification = v.InferOutput<typeof notificationSchema>;

/**
 * The severity of what a notification is about: the end of an outage is as important as the outage, since whoever has heard
 * of one waits for the other.
 */
export const subjectSeverity = ({ kind, severity }: Notification): Severity =>
  SUBJECT_SEVERITIES[kind] ?? severity;

const SUBJECT_SEVERITIES: Readonly<Partial<Record<NotificationKind, Severity>>> = {
  recovered: 'critical',
  steady: 'warning',
  solved: 'warning',
};

export const messageSchema = fields({
  /** The same in every try, so that a receiver can recognize a duplicate. */
  id: text,
  createdAt: instant,
  notifications: listOf(notificationSchema),
});

/** Notifications that are sent together, to each channel. */
export type Message = v.InferOutput<typeof messageSchema>;

export const activeAlertSchema = fields({
  notification: notificationSchema,
  startsAt: instant,
  /** Null while it goes on. */
  endsAt: orNull(instant),
});

/** An announced outage or flapping, as a state channel (Alertmanager) gets it again and again while it lasts. */
export type ActiveAlert = v.InferOutput<typeof activeAlertSchema>;
