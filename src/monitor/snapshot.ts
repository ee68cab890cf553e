import type { Seen } from '../alerting/policy/messages.ts';
import type { ProxyConfig } from '../config/config.ts';
import { NO_TRACK, usageOf } from '../health/resource-limits.ts';
import { type Health, uptimeOf } from '../health/state.ts';
import type { Cause } from '../health/types.ts';
import { formatAddress, ipFamily, isLoopback } from '../lib/address.ts';
import { bindAddresses, formatListen } from '../lib/listen-spec.ts';
import type { ProxyStatus } from '../status/snapshot.ts';
import { localAddresses } from '../system/proc/network-interfaces.ts';
import { formatHolder } from '../system/proc/port-owner.ts';
import type { Sighting } from './checks/collect.ts';

/** What PM2 says of an app, for people: its own word, and how the process ended, where it told. */
interface Pm2Words {
  readonly word: string;
  readonly ending: string | null;
}

/** What is known of a proxy, in the words of the status. */
export const describeProxy = (
  proxy: ProxyConfig,
  health: Health,
  sighting: Sighting | undefined,
  { word: pm2, ending }: Pm2Words,
  failureThreshold: number,
): ProxyStatus => {
  const { state, cause, sinceMs: since, failures, restarts, recovery } = health;
  const report = sighting?.report ?? null;
  const bound = report?.bindings.filter((binding) => binding.state === 'bound') ?? [];
  const accepted = sighting?.accepted;
  return {
    name: proxy.name,
    id: proxy.id,
    port: proxy.listen.port || null,
    label: proxy.label,
    listen: bound.length > 0 ? bound.map(formatAddress) : [formatListen(proxy.listen)],
    upstream: formatAddress(proxy.upstream),
    optional: proxy.optional,
    state,
    cause,
    since,
    detail: cause === null ? null : detailOf(cause, sighting, ending),
    pid: sighting ? pidOf(sighting) : health.pid,
    pm2,
    engine: report?.engine ?? null,
    engineReason: report?.engineReason ?? null,
    restarts,
    failures,
    failureThreshold,
    recovery: {
      count: recovery.count,
      lastMs: recovery.lastMs,
      meanMs: recovery.count === 0 ? 0 : Math.round(recovery.totalMs / recovery.count),
    },
    uptimePercent: Math.round(uptimeOf(health, Date.now()) * 100_000) / 1_000,
    incidents: incidentsOf(health),
    warnings: health.warnings.map((warning) => sighting?.explain(warning) ?? warning),
    usage: sighting?.usage ?? usageOf(NO_TRACK),
    nextRestartAt: health.breaker.opened > 0 ? health.breaker.nextAtMs : null,
    connections: { active: report?.connections.active ?? 0, total: report?.connections.total ?? 0 },
    checkMs: sighting?.probeMs ?? null,
    portOwner: holderOf(sighting),
    urls: urls(
      proxy,
      report?.bindings.every((binding) => binding.state === 'not_needed')
        ? bindAddresses({ kind: 'external', port: proxy.listen.port }, proxy.upstream, localAddresses())
        : bound,
    ),
    answersOnOwnAddress: accepted && !isLoopback(accepted.host) ? sighting.evidence.accepts === 'ok' : null,
  };
};

/** What is known of it, for those who are told of it by alerts. */
export const seenOf = (
  { name, label, place, upstream }: ProxyConfig,
  health: Health,
  sighting: Sighting | undefined,
  ending: string | null,
): Seen => ({
  ...{ name, label, place, health, upstream: formatAddress(upstream) },
  detail: health.cause === null ? null : detailOf(health.cause, sighting, ending),
  holder: holderOf(sighting),
  limits: Object.fromEntries(
    health.warnings.flatMap((cause) => {
      const text = sighting?.explain(cause);
      return text ? [[cause, text]] : [];
    }),
  ),
});

const holderOf = (sighting: Sighting | undefined): string | null => {
  const holder = sighting?.report?.bindings.find(({ state }) => state === 'in_use')?.holder;
  return holder ? formatHolder(holder) : null;
};

/** Of a process that is gone no check has anything to say. */
const detailOf = (cause: Cause, sighting: Sighting | undefined, ending: string | null): string | null =>
  cause === 'crashed' || cause === 'crash_loop'
    ? ending
    : (sighting?.explain(cause) ?? sighting?.detail ?? null);

/** That of a process that is gone is of use to count its crash, and to nobody else. */
const pidOf = ({ pid, evidence }: Sighting): number | null =>
  ['gone', 'zombie'].includes(evidence.process) ? null : pid;

const incidentsOf = ({ history, incident }: Health): ProxyStatus['incidents'] => {
  const past = history.map(({ fromMs, toMs, cause, cures }) => ({
    startedAt: fromMs,
    endedAt: toMs,
    cause,
    actions: cures,
  }));
  return incident
    ? [...past, { startedAt: incident.atMs, endedAt: null, cause: incident.cause, actions: incident.cures }]
    : past;
};

/** What to open from another machine; http and https only where an http probe says so. Link-local addresses are left out. */
const urls = (
  { probe, listen: { port } }: ProxyConfig,
  bound: readonly { readonly host: string }[],
): string[] => {
  const scheme = probe.type !== 'http' ? 'tcp' : probe.tls ? 'https' : 'http';
  const outside = localAddresses().filter((host) => !isLoopback(host) && !host.includes('%'));
  const reached = outside.filter((host) =>
    bound.some(
      (address) =>
        address.host === host || (isWildcard(address.host) && ipFamily(address.host) === ipFamily(host)),
    ),
  );
  return reached.map((host) => `${scheme}://${formatAddress({ host, port })}`);
};

const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';
