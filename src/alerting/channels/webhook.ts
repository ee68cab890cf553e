import type { Message, Notice } from '../policy/notification.ts';
import {
  type Alert,
  annotationsOf,
  fingerprintOf,
  labelsOf,
  rfc3339,
  type Texts,
} from './alertmanager-format.ts';

/** What Go writes for no time, and Alertmanager for an alert that goes on. */
const NEVER = '0001-01-01T00:00:00Z';

interface WebhookAlert extends Alert {
  readonly status: 'firing' | 'resolved';
  readonly fingerprint: string;
}

/**
 * The JSON that Alertmanager sends to webhooks, version 4
 * (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config), and at its top the message's `id`,
 * which is the same in every try. A port that was restarted or is up again is an alert that is resolved.
 */
export const webhookBody = (message: Message, page: string | null) => {
  const alerts = message.notices.map((notice) => toAlert(notice, page));
  return {
    version: '4',
    id: message.id,
    groupKey: `steadyport:${message.id}`,
    truncatedAlerts: 0,
    status: alerts.some(({ status }) => status === 'firing') ? 'firing' : 'resolved',
    receiver: 'steadyport',
    groupLabels: {},
    commonLabels: inAll(alerts.map(({ labels }) => labels)),
    commonAnnotations: inAll(alerts.map(({ annotations }) => annotations)),
    externalURL: page ?? '',
    alerts,
  };
};

const toAlert = (notice: Notice, page: string | null): WebhookAlert => {
  const labels = labelsOf(notice);
  return {
    status: notice.toMs === null ? 'firing' : 'resolved',
    labels,
    annotations: { ...annotationsOf(notice), kind: notice.kind },
    startsAt: rfc3339(notice.fromMs),
    endsAt: notice.toMs === null ? NEVER : rfc3339(notice.toMs),
    generatorURL: page ?? '',
    fingerprint: fingerprintOf(labels),
  };
};

const inAll = ([first = {}, ...others]: readonly Texts[]): Texts =>
  Object.fromEntries(
    Object.entries(first).filter(([name, text]) => others.every((texts) => texts[name] === text)),
  );
