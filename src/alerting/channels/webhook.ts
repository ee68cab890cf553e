import type { Message, Notification } from '../policy/notification.ts';
import {
  type Alert,
  annotationsOf,
  fingerprintOf,
  formatRfc3339,
  type LabelSet,
  labelsOf,
} from './alertmanager-format.ts';
import type { EventSender } from './channel.ts';

/** Go's zero time, which Alertmanager sends as the end of an active alert. */
const ZERO_TIME = '0001-01-01T00:00:00Z';

interface WebhookAlert extends Alert {
  readonly status: 'firing' | 'resolved';
  readonly fingerprint: string;
}

/**
 * The JSON that Alertmanager sends to webhooks, version 4
 * (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config). The message's `id` at its top is the same in
 * every try. A port that was restarted or is up again is a resolved alert.
 */
export const webhookBody = (message: Message, pageUrl: string | null) => {
  const alerts = message.notifications.map((notification) => toAlert(notification, pageUrl));
  return {
    version: '4',
    id: message.id,
    groupKey: `steadyport:${message.id}`,
    truncatedAlerts: 0,
    status: alerts.some(({ status }) => status === 'firing') ? 'firing' : 'resolved',
    receiver: 'steadyport',
    groupLabels: {},
    commonLabels: intersect(alerts.map(({ labels }) => labels)),
    commonAnnotations: intersect(alerts.map(({ annotations }) => annotations)),
    externalURL: pageUrl ?? '',
    alerts,
  };
};

const toAlert = (notification: Notification, pageUrl: string | null): WebhookAlert => {
  const labels = labelsOf(notification);
  return {
    status: notification.endedAt === null ? 'firing' : 'resolved',
    labels,
    annotations: { ...annotationsOf(notification), kind: notification.kind },
    startsAt: formatRfc3339(notification.startedAt),
    endsAt: notification.endedAt === null ? ZERO_TIME : formatRfc3339(notification.endedAt),
    generatorURL: pageUrl ?? '',
    fingerprint: fingerprintOf(labels),
  };
};

/** The labels or annotations that all alerts have in common. */
const intersect = ([first = {}, ...rest]: readonly LabelSet[]): LabelSet =>
  Object.fromEntries(
    Object.entries(first).filter(([name, text]) => rest.every((labels) => labels[name] === text)),
  );

export const webhook: EventSender = {
  delivers: 'events',
  toRequest: (message, { pageUrl }) => ({ body: webhookBody(message, pageUrl) }),
};
