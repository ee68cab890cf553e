import type { ActiveAlert } from '../policy/notification.ts';
import { type Alert, annotationsOf, labelsOf, rfc3339 } from './alertmanager-format.ts';

/** An alert that goes on is sent again every minute; it ends by itself when nobody does that any more. */
const AHEAD_MS = 5 * 60_000;

/** For `POST /api/v2/alerts` (https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml). */
export const alertmanagerBody = (
  alerts: readonly ActiveAlert[],
  nowMs: number,
  page: string | null,
): readonly Alert[] =>
  alerts.map(({ notice, startsAtMs, endsAtMs }) => ({
    labels: labelsOf(notice),
    annotations: annotationsOf(notice),
    startsAt: rfc3339(startsAtMs),
    endsAt: rfc3339(endsAtMs ?? nowMs + AHEAD_MS),
    generatorURL: page ?? '',
  }));
