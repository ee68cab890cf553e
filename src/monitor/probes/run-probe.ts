import type { Socket } from 'node:net';
import type { ConnectingKind, Probe } from '../../kinds/probes/registry.ts';
import { type Address, formatAddress } from '../../lib/address.ts';
import { isCovered } from '../../lib/listen-spec.ts';
import { resolveAddress } from '../../system/dns.ts';
import { isOwnLimit } from '../../system/own-limits.ts';
import { localAddresses } from '../../system/proc/network-interfaces.ts';
import { elapsed, type ProbeResult, runExchange } from './exchange/exchange.ts';
import { openProbe } from './registry.ts';

/** The addresses of a name are kept for this time: many checks ask for the same one. */
const RESOLVED_FOR_MS = 5_000;

/**
 * Probes one address.
 * @param address the address to ask: an address of the upstream, or one of the proxy in front of it
 * @param upstream the server that answers, whichever of the two `address` is
 * @param openSocket starts to connect to `address`; default: from any local port
 */
export const runProbe = (
  address: Address,
  upstream: Address,
  probe: Probe<ConnectingKind>,
  timeoutMs: number,
  openSocket?: () => Socket,
): Promise<ProbeResult> => {
  const { nameAt, exchange, negotiateTls } = openProbe(probe, upstream);
  const tlsMode = 'tls' in probe && probe.tls;
  const tls = tlsMode !== false && { upstream, verify: tlsMode === 'verify', negotiate: negotiateTls };
  return runExchange({ address, timeoutMs, openSocket, tls, name: nameAt(formatAddress(address)) }, exchange);
};

/**
 * Probes the upstream itself, without the proxy: each of its addresses that is not one of the proxy's own listeners,
 * until one answers.
 * @param boundAddresses the proxy's own listeners; a probe of them would ask the proxy about itself
 * @param timeoutMs for each address
 */
export const probeUpstream = async (
  upstream: Address,
  probe: Probe<ConnectingKind>,
  boundAddresses: readonly Address[],
  timeoutMs: number,
): Promise<ProbeResult> => {
  const startedAt = performance.now();
  const resolved = await resolveAddress(upstream, RESOLVED_FOR_MS);
  const addresses = resolved.ok
    ? resolved.addresses.filter((address) => !isCovered(boundAddresses, address, localAddresses()))
    : [];
  const error = resolved.ok
    ? `every address of ${upstream.host} is the proxy itself`
    : `the name ${upstream.host} cannot be resolved (${resolved.code})`;
  const phase = !resolved.ok && isOwnLimit(resolved.code) ? 'untried' : 'connect';
  let failure: Exclude<ProbeResult, { ok: true }> = { ok: false, phase, error, durationMs: 0 };
  for (const address of addresses) {
    const result = await runProbe(address, upstream, probe, timeoutMs);
    if (result.ok) return result;
    // A bad answer on one address is the cause, and not a refusal on another, where the application does not listen.
    if (result.phase === 'answer' || failure.phase === 'connect') failure = result;
  }
  return { ...failure, durationMs: elapsed(startedAt) };
};
