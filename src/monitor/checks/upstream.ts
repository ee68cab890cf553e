import type { MonitorConfig, ProxyConfig } from '../../config/config.ts';
import type { Evidence } from '../../health/types.ts';
import type { Heartbeat } from '../../ipc/heartbeat.ts';
import {
  type ConnectingKind,
  isThroughProxy,
  type Probe,
  touchesUpstream,
} from '../../kinds/probes/registry.ts';
import { type Address, formatAddress, isUnixSocket } from '../../lib/address.ts';
import type { ProbeResult } from '../probes/exchange/exchange.ts';
import { isUpstreamListening } from '../probes/listen.ts';
import { probeUpstream, runProbe } from '../probes/run-probe.ts';
import { runAnnouncedCheck } from './announced-check.ts';
import { isOwnFailure, reachableAddress } from './check-connection.ts';

/** The findings of a check about the upstream, and about the path to it through the proxy. */
export interface UpstreamCheckResult extends Pick<Evidence, 'upstream' | 'endToEnd'> {
  /** The time that the answer to the probe took, in milliseconds; null without an answer. */
  readonly probeMs: number | null;
  /** Why the check failed; null when it did not. */
  readonly detail: string | null;
}

export interface UpstreamCheck {
  /**
   * Returns the latest result, and whether it is newer than that of the last call. It starts a probe that is due without
   * waiting for it: `onProbeResult` is called when the probe is done.
   */
  check(
    boundAddresses: readonly Address[],
    isUrgent: boolean,
  ): { readonly result: UpstreamCheckResult; readonly isNew: boolean };
  /** Resolves when the first probe is done; at once where it has been, or where no probe touches the upstream. */
  ensureFirstCheck(boundAddresses: readonly Address[]): Promise<void>;
}

const UNKNOWN: UpstreamCheckResult = {
  upstream: 'unknown',
  endToEnd: 'unknown',
  probeMs: null,
  detail: null,
};

/** Checks one upstream: the socket table at every check, since that touches no application, and the probe in its own interval. */
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
  const probe = touchesUpstream(proxy.probe) ? proxy.probe : undefined;

  const intervalMsFor = (isUrgent: boolean): number => {
    if (isUrgent) return monitor.fastIntervalMs;
    return latest.upstream === 'ok' || latest === UNKNOWN ? monitor.probeIntervalMs : monitor.intervalMs;
  };

  const report = (result: UpstreamCheckResult): void => {
    latest = result;
    isNew = true;
  };

  const startProbe = (
    connectingProbe: ConnectingProbe,
    boundAddresses: readonly Address[],
  ): Promise<void> => {
    checkedAt = performance.now();
    pending ??= probeBothWays(proxy, connectingProbe, monitor.probeTimeoutMs, heartbeat, boundAddresses)
      .catch((error: Error): UpstreamCheckResult => ({ ...UNKNOWN, detail: error.message }))
      .then((result) => {
        pending = undefined;
        // Since the probe began, the socket table may have shown that nothing listens any more. The next check finds
        // the listener again.
        report(result);
      });
    return pending;
  };

  return {
    check: (boundAddresses, isUrgent) => {
      const isListening = isUpstreamListening(proxy.upstream, boundAddresses);
      if (isListening === false) {
        const detail = `nothing listens on ${formatAddress(proxy.upstream)}`;
        report({ upstream: 'refused', endToEnd: 'unknown', probeMs: null, detail });
      } else if (!probe) {
        report({ ...UNKNOWN, upstream: isListening ? 'ok' : 'unknown' });
      } else if (performance.now() - checkedAt >= intervalMsFor(isUrgent) && !pending) {
        void startProbe(probe, boundAddresses).then(onProbeResult);
      }
      const outcome = { result: latest, isNew };
      isNew = false;
      return outcome;
    },
    ensureFirstCheck: async (boundAddresses) => {
      if (probe && latest === UNKNOWN) await startProbe(probe, boundAddresses);
    },
  };
};

type ConnectingProbe = Probe<ConnectingKind>;

/** Probes through the proxy, and directly where that does not settle it. */
const probeBothWays = async (
  { upstream }: ProxyConfig,
  probe: ConnectingProbe,
  timeoutMs: number,
  heartbeat: Heartbeat,
  boundAddresses: readonly Address[],
): Promise<UpstreamCheckResult> => {
  const probeViaProxy = () =>
    probeThroughProxy(upstream, probe, timeoutMs, heartbeat, boundAddresses).catch(() => undefined);
  const viaProxy = await probeViaProxy();
  const direct = viaProxy?.ok ? viaProxy : await probeUpstream(upstream, probe, boundAddresses, timeoutMs);
  if (isOwnFailure(direct)) return { ...UNKNOWN, detail: errorOf(direct) };
  // The upstream, or the proxy, may have come back between the two probes: a result that blames the proxy is confirmed.
  const isDoubtful = viaProxy?.ok === false && direct.ok;
  const confirmedViaProxy = isDoubtful ? await probeViaProxy() : viaProxy;
  const result = confirmedViaProxy ?? direct;
  return {
    upstream: direct.ok ? 'ok' : direct.phase === 'connect' ? 'refused' : 'silent',
    endToEnd: endToEndOf(confirmedViaProxy),
    probeMs: result.ok ? result.durationMs : null,
    detail: errorOf(direct) ?? errorOf(result),
  };
};

const errorOf = (result: ProbeResult): string | null => (result.ok ? null : result.error);

const endToEndOf = (viaProxy: ProbeResult | undefined): Evidence['endToEnd'] => {
  if (!viaProxy) return 'unknown';
  return viaProxy.ok ? 'ok' : 'failed';
};

/** Undefined where the probe does not ask the application, or the proxy cannot be asked. */
const probeThroughProxy = async (
  upstream: Address,
  probe: ConnectingProbe,
  timeoutMs: number,
  heartbeat: Heartbeat,
  [firstAddress]: readonly Address[],
): Promise<ProbeResult | undefined> => {
  if (!firstAddress || isUnixSocket(firstAddress) || !isThroughProxy(probe)) return undefined;
  const target = reachableAddress(firstAddress);
  const result = await runAnnouncedCheck(heartbeat, target, true, (openSocket) =>
    runProbe(target, upstream, probe, timeoutMs, openSocket),
  );
  return isOwnFailure(result) ? undefined : result;
};
