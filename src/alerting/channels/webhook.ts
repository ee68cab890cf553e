import type { Message, Notification } from '../policy/notification.ts';
import {
  type Alert,
  annotationsOf,
  fingerprintOf,
  formatRfc3339,
  type LabelSet,
  labelsOf,
} from './alertmanager-format.ts';

/** What Go writes for no time, and Alertmanager for an alert that goes on. */
const ZERO_TIME = '0001-01-01T00:00:00Z';

interface WebhookAlert extends Alert {
  readonly status: 'firing' | 'resolved';
  readonly fingerprint: string;
}

/**
 * The JSON that Alertmanager sends to webhooks, version 4
 * (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config), and at its top the message's `id`,
 * which is the same in every try. A port that was restarted or is up again is an alert that is resolved.
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

const intersect = ([first = {}, ...rest]: readonly LabelSet[]): LabelSet =>
  Object.fromEntries(
    Object.entries(first).filter(([name, text]) => rest.every((labels) => labels[name] === text)),
  );
