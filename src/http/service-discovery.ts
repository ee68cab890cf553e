import type { ProxyConfig } from '../config/config.ts';
import { formatAddress, isLoopback } from '../lib/address.ts';
import { bindAddresses, covers } from '../lib/listen-spec.ts';

/** https://prometheus.io/docs/prometheus/latest/http_sd/ */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Where each proxy is to be reached from another machine, for blackbox_exporter: by the config, so that a port that is
 * down stays a target. Loopback, link-local addresses and unix sockets are no such places.
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

/** The monitor itself, as whoever asks has reached it: an address that it listens on may be 0.0.0.0. */
export const monitorTargets = (host: string, hostName: string): readonly TargetGroup[] => [
  { targets: [host], labels: { host: hostName } },
];
