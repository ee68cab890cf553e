import type { ForwardingConfig } from '../config/config.ts';
import { formatAddress } from '../lib/address.ts';
import { allowHint, CLOSE_REASONS, type CloseReason, isRefusal } from '../lib/close-reason.ts';
import type { Log } from '../logging/logger.ts';
import type { ConnectionRecord } from './engine.ts';

type RefusedConnection = Pick<ConnectionRecord, 'client' | 'reason'>;

/** A hint how to let the client in, when the allow list has refused it; else an empty text. */
export const allowHintFor = (
  { allow }: Pick<ForwardingConfig, 'allow'>,
  { client, reason }: RefusedConnection,
): string => (reason === 'not_allowed' ? `; ${allowHint(allow, client.host)}` : '');

/** Each reason is logged at most once in this time, however many clients are refused. */
const REFUSAL_LOG_INTERVAL_MS = 60_000;

/**
 * Logs refused clients where the connections themselves go to another log: the first client of a reason at once, then one
 * line a minute, with how many others there were.
 */
export const createRefusalLog = (
  config: Pick<ForwardingConfig, 'id' | 'allow'>,
  log: Log,
  now = () => performance.now(),
): ((record: RefusedConnection) => void) => {
  const lastByReason = new Map<CloseReason, { readonly loggedAt: number; suppressed: number }>();
  return (record) => {
    const { client, reason } = record;
    if (!isRefusal(reason)) return;
    const last = lastByReason.get(reason);
    if (last && now() - last.loggedAt < REFUSAL_LOG_INTERVAL_MS) {
      last.suppressed += 1;
      return;
    }
    const suppressedText =
      last && last.suppressed > 0 ? `, and ${last.suppressed} others since it was last logged` : '';
    lastByReason.set(reason, { loggedAt: now(), suppressed: 0 });
    log(
      'refused',
      `${config.id}: refused ${formatAddress(client)}${suppressedText}: ${CLOSE_REASONS[reason].text}${allowHintFor(config, record)}`,
      { client, reason, others: last?.suppressed ?? 0 },
    );
  };
};
