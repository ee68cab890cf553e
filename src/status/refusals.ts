import { allowHint, CLOSE_REASONS, type CloseReason } from '../lib/close-reason.ts';
import { formatDuration } from '../lib/duration.ts';
import type { ProxyStatus } from './snapshot.ts';

type RefusalFacts = Pick<ProxyStatus, 'allow' | 'refusals'>;

/**
 * A text for each reason for which the running process has refused clients, such as "refused 12 by the allow list, last
 * 203.0.113.7 5.0 s ago; to let it in: …". Empty when it has refused none, and for a monitor of an earlier version.
 */
export const describeRefusals = (
  { allow, refusals }: Partial<RefusalFacts>,
  now: number,
): readonly string[] => {
  const { not_allowed: notAllowed = 0, ...others } = refusals?.byReason ?? {};
  const last = refusals?.lastNotAllowed ?? null;
  const client =
    last &&
    `, last ${last.host} ${formatDuration(Math.max(0, now - last.at))} ago; ${allowHint(allow ?? [], last.host)}`;
  return [
    ...(notAllowed > 0 ? [`refused ${notAllowed} by the allow list${client ?? ''}`] : []),
    ...Object.entries(others).map(
      ([reason, count]) => `refused ${count}: ${CLOSE_REASONS[reason as CloseReason].text}`,
    ),
  ];
};
