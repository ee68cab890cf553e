import type { ProxyConfig } from '../config/config.ts';
import { formatAddress, isLoopback } from '../lib/address.ts';
import { bindAddresses, covers } from '../lib/listen-spec.ts';

/** An entry of Prometheus' HTTP service discovery: https://prometheus.io/docs/prometheus/latest/http_sd/ */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * The addresses at which another machine reaches each proxy, as targets for blackbox_exporter. They come from the config, so
 * a port that is down stays a target. Loopback and link-local addresses and unix sockets are left out.
 * @param localHosts this machine's own addresses
 */
export const portTargets = (
  proxies: readonly ProxyConfig[],
  localHosts: readonly string[],
): readonly TargetGroup[] => {
  const externalHosts = localHosts.filter((host) => !isLoopback(host) && !host.includes('%'));
  return proxies.flatMap(({ name, label, listen, upstream }) => {
    const boundAddresses = bindAddresses(listen, upstream, localHosts);
    const targets = externalHosts
      .map((host) => ({ host, port: listen.port }))
      .filter((address) => boundAddresses.some((boundAddress) => covers(boundAddress, address, localHosts)))
      .map(formatAddress);
    return targets.length === 0 ? [] : [{ targets, labels: { proxy: name, label } }];
  });
};

/**
 * The monitor itself, at the address with which the client has reached it: the address that it listens on may be 0.0.0.0.
 * @param host the request's Host header
 */
export const monitorTargets = (host: string, hostName: string): readonly TargetGroup[] => [
  { targets: [host], labels: { host: hostName } },
];
