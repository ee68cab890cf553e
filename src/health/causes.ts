import type { Cause } from './types.ts';

/** True for a fault of the upstream, which no restart of the proxy mends. */
export const isUpstreamFault = (cause: Cause): boolean =>
  cause === 'upstream_down' || cause === 'upstream_unhealthy';

/** True for a fault of the proxy itself: neither the upstream's, nor that of the process that holds the port. */
export const isProxyFault = (cause: Cause): boolean => !isUpstreamFault(cause) && cause !== 'port_in_use';

/** True when the proxy does not have the addresses that it is to listen on. */
export const isListenFault = (cause: Cause): boolean => cause === 'not_listening' || cause === 'port_in_use';

/**
 * True for a cause that only a probe of the upstream finds. Probes have their own interval (`probeIntervalMs`), so most
 * checks bring no new result for these causes.
 */
export const isFoundByProbe = (cause: Cause): boolean =>
  isUpstreamFault(cause) || cause === 'forwarding_broken';

const LOAD_SENSITIVE_CAUSES: readonly Cause[] = [
  'hung',
  'data_path_stuck',
  'blocked_in_kernel',
  'not_accepting',
  'slow_responses',
  'forwarding_broken',
];

/**
 * True for a cause that a machine which is too slow would produce too. When most ports have such a cause at once, the
 * machine is at fault (mass-failure.ts).
 */
export const isLoadSensitive = (cause: Cause): boolean => LOAD_SENSITIVE_CAUSES.includes(cause);
