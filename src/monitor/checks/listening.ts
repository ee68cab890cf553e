import type { Evidence } from '../../health/types.ts';
import { type Address, ipFamily, isUnixSocket } from '../../lib/address.ts';
import type { Binding, ProxyReport } from '../../proxy/report.ts';
import { isOwnLimit } from '../../system/own-limits.ts';
import { formatPortOwner } from '../../system/proc/port-owner.ts';
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
  if (has('not_needed')) return 'not_needed';
  return report.bindings.some(isDenied) ? 'denied' : 'none';
};

/** True when the system refuses the address to whichever process asks. What this one lacks, the next one may have. */
const isDenied = ({ state, code }: Binding): boolean =>
  state === 'failed' && code !== null && !isOwnLimit(code);

/** The addresses that the proxy does not have, each reason once, and those that it serves nevertheless; null when it has all that it needs. */
export const describeListenProblem = ({ bindings }: ProxyReport): string | null => {
  const addressesByReason = new Map<string, string[]>();
  for (const binding of bindings) {
    const reason = reasonOf(binding);
    if (reason !== null)
      addressesByReason.set(reason, [...(addressesByReason.get(reason) ?? []), binding.address]);
  }
  const problems = [...addressesByReason].map(
    ([reason, addresses]) => `${joinAddresses(addresses)} ${reason}`,
  );
  if (problems.length === 0) return null;
  const served = bindings.filter(({ state }) => state === 'bound').map(({ address }) => address);
  return [...problems, ...(served.length > 0 ? [`the proxy serves ${served.join(', ')}`] : [])].join('; ');
};

/** Ports below this need a privilege, unless net.ipv4.ip_unprivileged_port_start says otherwise (ip(7)). */
const FIRST_UNPRIVILEGED_PORT = 1_024;

/** "each of 127.0.0.1:6274, 192.0.2.1:6274 and 192.0.2.2:6274" */
const joinAddresses = (addresses: readonly string[]): string =>
  addresses.length === 1
    ? addresses.join('')
    : `each of ${addresses.slice(0, -1).join(', ')} and ${addresses.at(-1)}`;

/** The words after the address; null when the proxy has it, or does not need it. */
const reasonOf = (binding: Binding): string | null => {
  const { state, code, portOwner } = binding;
  if (state === 'in_use') return `is held by ${portOwner ? formatPortOwner(portOwner) : 'another process'}`;
  if (state !== 'failed') return null;
  if (code === 'EADDRNOTAVAIL') return `is not an address of this machine (${code})`;
  if (code !== 'EACCES') return `cannot be bound (${code})`;
  if (isUnixSocket(binding)) return `may not be made in its folder (${code})`;
  return `${needsPrivilege(binding) ? 'needs a privilege' : 'is not permitted'} (${code})`;
};

/** What to do about the addresses that the system refuses, each advice once; null when nothing is known that would help. */
export const adviseOnRefusals = ({ bindings }: ProxyReport): string | null => {
  const refused = bindings.filter(({ state }) => state === 'failed');
  const advice = new Set(refused.map(adviceOf).filter((text) => text !== null));
  return advice.size === 0 ? null : [...advice].join('. ');
};

const adviceOf = (binding: Binding): string | null => {
  if (binding.code === 'EADDRNOTAVAIL') return 'See ip addr, or correct "listen"';
  if (!needsPrivilege(binding)) return null;
  return (
    `Take another port, or allow this one with sudo sysctl net.ipv4.ip_unprivileged_port_start=${binding.port}, ` +
    "or with sudo setcap 'cap_net_bind_service=+ep' $(readlink -f $(which node))"
  );
};

const needsPrivilege = (binding: Binding): boolean =>
  binding.code === 'EACCES' && !isUnixSocket(binding) && binding.port < FIRST_UNPRIVILEGED_PORT;

/**
 * The number of connections that wait to be accepted; NaN without /proc.
 * @param since a socket table that was read since then (performance.now()) is new enough. Default: SHARED_TABLE_MS ago, so that
 * proxies which are checked together share one
 */
export const backlogOf = (boundAddresses: readonly Address[], since?: number): number =>
  boundAddresses
    .flatMap((address) => ownListeners(address, since)?.map(({ backlog }) => backlog) ?? Number.NaN)
    .reduce((sum, backlog) => sum + backlog, 0);

/** The listeners on exactly this address; undefined without /proc. */
export const ownListeners = (
  { host, port }: Address,
  since = performance.now() - SHARED_TABLE_MS,
): readonly Listener[] | undefined =>
  findListeners(port, since, ipFamily(host) || undefined)?.filter(
    (listener) => listener.host === host.replace(/%.*$/, ''),
  );
