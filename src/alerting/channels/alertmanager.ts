import type { ActiveAlert } from '../policy/notification.ts';
import { type Alert, annotationsOf, formatRfc3339, labelsOf } from './alertmanager-format.ts';

/** An alert that goes on is sent again every minute; it ends by itself when nobody does that any more. */
const EXPIRES_AFTER_MS = 5 * 60_000;

/** For `POST /api/v2/alerts` (https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml). */
export const alertmanagerBody = (
  alerts: readonly ActiveAlert[],
  now: number,
  pageUrl: string | null,
): readonly Alert[] =>
  alerts.map(({ notification, startsAt, endsAt }) => ({
    labels: labelsOf(notification),
    annotations: annotationsOf(notification),
    startsAt: formatRfc3339(startsAt),
    endsAt: formatRfc3339(endsAt ?? now + EXPIRES_AFTER_MS),
    generatorURL: pageUrl ?? '',
  }));
