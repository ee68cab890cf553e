import type { MonitorConfig, ProxyConfig } from '../../config/config.ts';
import type { Evidence } from '../../health/types.ts';
import type { Heartbeat } from '../../ipc/heartbeat.ts';
import { type Address, formatAddress, isUnixSocket } from '../../lib/address.ts';
import type { ProbeResult } from '../probes/exchange.ts';
import { isApplicationProbe, probeApplication } from '../probes/http.ts';
import {
  isCheckPortTaken,
  isUpstreamListening,
  pickCheckPort,
  probeUpstream,
  reachableAddress,
} from '../probes/tcp.ts';

/** What is known of the upstream, and of the way to it. */
export interface UpstreamCheckResult extends Pick<Evidence, 'upstream' | 'endToEnd'> {
  readonly probeMs: number | null;
  /** What the failed check said. */
  readonly detail: string | null;
}

export interface UpstreamCheck {
  /**
   * The latest finding, and whether it is a new one since the last call. A check that touches the upstream is
   * started when it is due, but not awaited: `onNews` comes when it is done.
   */
  check(
    boundAddresses: readonly Address[],
    isUrgent: boolean,
  ): { readonly result: UpstreamCheckResult; readonly isNew: boolean };
  /** The first check, done. */
  ensureFirstCheck(boundAddresses: readonly Address[]): Promise<void>;
}

const UNKNOWN: UpstreamCheckResult = {
  upstream: 'unknown',
  endToEnd: 'unknown',
  probeMs: null,
  detail: null,
};

/** Checks one upstream: the socket table at every look (it touches nobody), the probe at its own pace. */
export const createUpstreamCheck = (
  proxy: ProxyConfig,
  monitor: MonitorConfig,
  heartbeat: Heartbeat,
  onProbeResult: () => void,
): UpstreamCheck => {
  let latest = UNKNOWN;
  let isNew = false;
  let checkedAt = Number.NEGATIVE_INFINITY;
  let pending: Promise<void> | undefined;

  const intervalMsFor = (isUrgent: boolean): number => {
    if (isUrgent) return monitor.fastIntervalMs;
    return latest.upstream === 'ok' || latest === UNKNOWN ? monitor.probeIntervalMs : monitor.intervalMs;
  };

  const startProbe = (boundAddresses: readonly Address[]): Promise<void> => {
    checkedAt = performance.now();
    pending ??= probeBothWays(proxy, monitor.probeTimeoutMs, heartbeat, boundAddresses)
      .catch((error: Error): UpstreamCheckResult => ({ ...UNKNOWN, detail: error.message }))
      .then((result) => {
        pending = undefined;
        // The table may have told in the meantime that nothing listens there any more.
        latest = result;
        isNew = true;
      });
    return pending;
  };

  return {
    check: (boundAddresses, isUrgent) => {
      const isListening = isUpstreamListening(proxy.upstream, boundAddresses);
      if (isListening === false) {
        const detail = `nothing listens on ${formatAddress(proxy.upstream)}`;
        latest = { upstream: 'refused', endToEnd: 'unknown', probeMs: null, detail };
        isNew = true;
      } else if (proxy.probe.type === 'listen') {
        latest = { ...UNKNOWN, upstream: isListening ? 'ok' : 'unknown' };
        isNew = true;
      } else {
        if (performance.now() - checkedAt >= intervalMsFor(isUrgent) && !pending)
          void startProbe(boundAddresses).then(onProbeResult);
      }
      const outcome = { result: latest, isNew };
      isNew = false;
      return outcome;
    },
    ensureFirstCheck: (boundAddresses) =>
      proxy.probe.type === 'listen' || latest !== UNKNOWN ? Promise.resolve() : startProbe(boundAddresses),
  };
};

/** Through the proxy, and directly where that does not tell. */
const probeBothWays = async (
  proxy: ProxyConfig,
  timeoutMs: number,
  heartbeat: Heartbeat,
  boundAddresses: readonly Address[],
): Promise<UpstreamCheckResult> => {
  const probeViaProxy = () =>
    probeThroughProxy(proxy, timeoutMs, heartbeat, boundAddresses).catch(() => undefined);
  const viaProxy = await probeViaProxy();
  const direct = viaProxy?.ok
    ? viaProxy
    : await probeUpstream(proxy.upstream, proxy.probe, boundAddresses, timeoutMs);
  // The upstream, or the proxy, may have come back between the two: what blames the proxy is asked again.
  const isDoubtful = viaProxy?.ok === false && direct.ok;
  const confirmedViaProxy = isDoubtful ? await probeViaProxy() : viaProxy;
  const result = confirmedViaProxy ?? direct;
  return {
    upstream: direct.ok ? 'ok' : direct.phase === 'connect' ? 'refused' : 'silent',
    endToEnd: confirmedViaProxy ? (confirmedViaProxy.ok ? 'ok' : 'failed') : 'unknown',
    probeMs: result.ok ? result.durationMs : null,
    detail: direct.ok ? (result.ok ? null : result.error) : direct.error,
  };
};

/** Undefined where the probe asks nothing of the application, or the proxy cannot be asked. */
const probeThroughProxy = async (
  { probe, upstream }: ProxyConfig,
  timeoutMs: number,
  heartbeat: Heartbeat,
  [first]: readonly Address[],
): Promise<ProbeResult | undefined> => {
  if (!first || isUnixSocket(first) || !isApplicationProbe(probe)) return undefined;
  const localPort = pickCheckPort();
  await heartbeat.ask('expect_check', { localPort, forward: true });
  const result = await probeApplication(reachableAddress(first), upstream, probe, timeoutMs, localPort);
  return isCheckPortTaken(result) ? undefined : result;
};
