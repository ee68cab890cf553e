import type { Cause } from './types.ts';

/** The upstream's fault, which no restart of the proxy cures. */
export const isUpstreamFault = (cause: Cause): boolean =>
  cause === 'upstream_down' || cause === 'upstream_unhealthy';

/** Of the proxy itself, and not of what is around it. */
export const isProxyFault = (cause: Cause): boolean => !isUpstreamFault(cause) && cause !== 'port_in_use';

/** Told by a probe of the upstream, which comes at its own pace: a look in between has no news of it. */
export const isFoundByProbe = (cause: Cause): boolean =>
  isUpstreamFault(cause) || cause === 'forwarding_broken';

/** What a machine that is too slow looks like as well: seen on most ports at once, it is the machine. */
export const isLoadSensitive = (cause: Cause): boolean =>
  [
    'hung',
    'data_path_stuck',
    'blocked_in_kernel',
    'not_accepting',
    'slow_responses',
    'forwarding_broken',
  ].includes(cause);
