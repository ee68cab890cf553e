import type { Evidence } from '../../health/types.ts';
import { type Address, ipFamily, isUnixSocket } from '../../lib/address.ts';
import type { Binding, ProxyReport } from '../../proxy/report.ts';
import { findListeners, type Listener } from '../../system/proc/socket-table.ts';
import { SHARED_TABLE_MS } from '../probes/listen.ts';

/** The state of the proxy's addresses by its report. An address that it calls bound must be in the kernel's socket table too. */
export const listeningState = (
  report: ProxyReport | null,
  boundAddresses: readonly Address[],
): Evidence['listening'] => {
  if (!report) return 'unknown';
  const has = (state: Binding['state']): boolean =>
    report.bindings.some((binding) => binding.state === state);
  if (boundAddresses.some((address) => isUnixSocket(address) || ownListeners(address)?.length !== 0))
    return has('in_use') ? 'some' : 'all';
  if (has('in_use')) return 'in_use';
  return has('not_needed') ? 'not_needed' : 'none';
};

/**
 * The number of connections that wait to be accepted; NaN without /proc.
 * @param since a socket table that was read since then (performance.now()) is new enough. Default: SHARED_TABLE_MS ago, so that
 * proxies which are checked together share one
 */
export const backlogOf = (boundAddresses: readonly Address[], since?: number): number =>
  boundAddresses
    .flatMap((address) => ownListeners(address, since)?.map(({ backlog }) => backlog) ?? Number.NaN)
    .reduce((sum, backlog) => sum + backlog, 0);

const ownListeners = (
  { host, port }: Address,
  since = performance.now() - SHARED_TABLE_MS,
): readonly Listener[] | undefined =>
  findListeners(port, since, ipFamily(host) || undefined)?.filter(
    (listener) => listener.host === host.replace(/%.*$/, ''),
  );
