import type { ActiveAlert } from '../policy/notification.ts';
import { type Alert, annotationsOf, formatRfc3339, labelsOf } from './alertmanager-format.ts';
import type { RequestContext, StateSender } from './channel.ts';

/** An active alert is sent again every minute. Without that, Alertmanager ends it after this time. */
const EXPIRES_AFTER_MS = 5 * 60_000;

/** Formats alerts for `POST /api/v2/alerts` (https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml). */
const alertmanagerBody = (
  alerts: readonly ActiveAlert[],
  { pageUrl, now }: Pick<RequestContext, 'pageUrl' | 'now'>,
): readonly Alert[] =>
  alerts.map(({ notification, startsAt, endsAt }) => ({
    labels: labelsOf(notification),
    annotations: annotationsOf(notification),
    startsAt: formatRfc3339(startsAt),
    endsAt: formatRfc3339(endsAt ?? now + EXPIRES_AFTER_MS),
    generatorURL: pageUrl ?? '',
  }));

/** The configured URL is Alertmanager's own address, which may have a path. */
const toAlertsUrl = (url: URL): URL => {
  const endpoint = new URL(url);
  endpoint.pathname = `${url.pathname.replace(/\/+$/, '')}/api/v2/alerts`;
  return endpoint;
};

export const alertmanager: StateSender = {
  delivers: 'state',
  toRequest: (alerts, context) => ({
    url: toAlertsUrl(context.url),
    body: alertmanagerBody(alerts, context),
  }),
};
