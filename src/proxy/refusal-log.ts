import type { ProxyConfig } from '../config/config.ts';
import { formatAddress } from '../lib/address.ts';
import { isRefusal, REASONS, type Reason } from '../lib/close-reason.ts';
import type { Log } from '../logging/logger.ts';
import type { ConnectionRecord } from './engine.ts';

type Refused = Pick<ConnectionRecord, 'client' | 'reason'>;

/** How to let the client in, when the allow list is why it was refused. */
export const hintFor = ({ allow }: Pick<ProxyConfig, 'allow'>, { client, reason }: Refused): string =>
  reason === 'not_allowed' ? `; to let it in: "allow": ${JSON.stringify([...allow, client.host])}` : '';

/** One line for each reason in so long, however many clients are refused. */
const TOLD_EVERY_MS = 60_000;

/** Mentions refused clients where the connections themselves are not told: the first, then how many there were. */
export const createRefusals = (
  proxy: Pick<ProxyConfig, 'id' | 'allow'>,
  log: Log,
  now = () => performance.now(),
): ((record: Refused) => void) => {
  const told = new Map<Reason, { readonly atMs: number; more: number }>();
  return (record) => {
    const { client, reason } = record;
    if (!isRefusal(reason)) return;
    const last = told.get(reason);
    if (last && now() - last.atMs < TOLD_EVERY_MS) {
      last.more += 1;
      return;
    }
    const others = last && last.more > 0 ? `, and ${last.more} others since it was last told` : '';
    told.set(reason, { atMs: now(), more: 0 });
    log(
      'refused',
      `${proxy.id}: refused ${formatAddress(client)}${others}: ${REASONS[reason].text}${hintFor(proxy, record)}`,
      { client, reason, others: last?.more ?? 0 },
    );
  };
};
