import type { MonitorConfig, ProxyConfig } from '../../config/config.ts';
import type { Evidence } from '../../health/types.ts';
import type { Heartbeat } from '../../ipc/heartbeat.ts';
import { type Address, formatAddress, isUnix } from '../../lib/address.ts';
import type { ProbeResult } from '../probes/exchange.ts';
import { asksApplication, probeApplication } from '../probes/http.ts';
import { checkPort, isPortTaken, probeUpstream, reachable, upstreamListens } from '../probes/tcp.ts';

/** What is known of the upstream, and of the way to it. */
export interface Finding extends Pick<Evidence, 'upstream' | 'endToEnd'> {
  readonly probeMs: number | null;
  /** What the failed check said. */
  readonly detail: string | null;
}

export interface UpstreamCheck {
  /**
   * The latest finding, and whether it is a new one since the last call. A check that touches the upstream is
   * started when it is due, but not awaited: `onNews` comes when it is done.
   */
  look(bound: readonly Address[], eager: boolean): { readonly finding: Finding; readonly isNew: boolean };
  /** The first check, done. */
  first(bound: readonly Address[]): Promise<void>;
}

const UNKNOWN: Finding = { upstream: 'unknown', endToEnd: 'unknown', probeMs: null, detail: null };

/** Checks one upstream: the socket table at every look (it touches nobody), the probe at its own pace. */
export const createUpstreamCheck = (
  proxy: ProxyConfig,
  monitor: MonitorConfig,
  heartbeat: Heartbeat,
  onNews: () => void,
): UpstreamCheck => {
  let latest = UNKNOWN;
  let isNew = false;
  let checkedAt = Number.NEGATIVE_INFINITY;
  let underway: Promise<void> | undefined;

  const pauseMs = (eager: boolean): number => {
    if (eager) return monitor.fastIntervalMs;
    return latest.upstream === 'ok' || latest === UNKNOWN ? monitor.probeIntervalMs : monitor.intervalMs;
  };

  const start = (bound: readonly Address[]): Promise<void> => {
    checkedAt = performance.now();
    underway ??= probeBothWays(proxy, monitor.probeTimeoutMs, heartbeat, bound)
      .catch((error: Error): Finding => ({ ...UNKNOWN, detail: error.message }))
      .then((finding) => {
        underway = undefined;
        // The table may have told in the meantime that nothing listens there any more.
        latest = finding;
        isNew = true;
      });
    return underway;
  };

  return {
    look: (bound, eager) => {
      const listens = upstreamListens(proxy.upstream, bound);
      if (listens === false) {
        const detail = `nothing listens on ${formatAddress(proxy.upstream)}`;
        latest = { upstream: 'refused', endToEnd: 'unknown', probeMs: null, detail };
        isNew = true;
      } else if (proxy.probe.type === 'listen') {
        latest = { ...UNKNOWN, upstream: listens ? 'ok' : 'unknown' };
        isNew = true;
      } else {
        if (performance.now() - checkedAt >= pauseMs(eager) && !underway) void start(bound).then(onNews);
      }
      const told = { finding: latest, isNew };
      isNew = false;
      return told;
    },
    first: (bound) =>
      proxy.probe.type === 'listen' || latest !== UNKNOWN ? Promise.resolve() : start(bound),
  };
};

/** Through the proxy, and directly where that does not tell. */
const probeBothWays = async (
  proxy: ProxyConfig,
  timeoutMs: number,
  heartbeat: Heartbeat,
  bound: readonly Address[],
): Promise<Finding> => {
  const through = () => throughProxy(proxy, timeoutMs, heartbeat, bound).catch(() => undefined);
  const first = await through();
  const direct = first?.ok ? first : await probeUpstream(proxy.upstream, proxy.probe, bound, timeoutMs);
  // The upstream, or the proxy, may have come back between the two: what blames the proxy is asked again.
  const isDoubtful = first?.ok === false && direct.ok;
  const last = isDoubtful ? await through() : first;
  const result = last ?? direct;
  return {
    upstream: direct.ok ? 'ok' : direct.phase === 'connect' ? 'refused' : 'silent',
    endToEnd: last ? (last.ok ? 'ok' : 'failed') : 'unknown',
    probeMs: result.ok ? result.durationMs : null,
    detail: direct.ok ? (result.ok ? null : result.error) : direct.error,
  };
};

/** Undefined where the probe asks nothing of the application, or the proxy cannot be asked. */
const throughProxy = async (
  { probe, upstream }: ProxyConfig,
  timeoutMs: number,
  heartbeat: Heartbeat,
  [first]: readonly Address[],
): Promise<ProbeResult | undefined> => {
  if (!first || isUnix(first) || !asksApplication(probe)) return undefined;
  const localPort = checkPort();
  await heartbeat.ask('expect_check', { localPort, forward: true });
  const result = await probeApplication(reachable(first), upstream, probe, timeoutMs, localPort);
  return isPortTaken(result) ? undefined : result;
};
