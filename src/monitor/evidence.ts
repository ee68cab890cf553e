import { type Address, formatAddress, ipFamily, isLoopback, isUnix } from '../core/address.ts';
import type { MonitorConfig, ProxyConfig } from '../core/config.ts';
import type { Evidence, Pm2Evidence } from '../core/health.ts';
import {
  type Binding,
  type ControlClient,
  connectControl,
  type ProxyProtocol,
  type ProxyReport,
} from '../host/control.ts';
import { HAS_PROCFS, localAddresses, readProcess } from '../host/procfs.ts';
import type { Pm2App } from './pm2.ts';
import {
  checkPort,
  type ProbeResult,
  probeAccept,
  probeHttp,
  probeUpstream,
  upstreamListens,
} from './probes.ts';

/** A healthy proxy answers on its control socket in a few milliseconds. */
const HEARTBEAT_TIMEOUT_MS = 350;
/** A time-out that fires this much too late says that the monitor was late, not the proxy: no verdict. */
const LATE_MS = 150;

/** Everything one look found out. */
export interface Sighting {
  readonly evidence: Evidence;
  readonly pid: number | null;
  readonly report: ProxyReport | null;
  readonly probeMs: number | null;
  /** What the last failed probe said. */
  readonly detail: string | null;
  /** The address whose accepting was checked, null when none was. */
  readonly accepted: Address | null;
}

interface Accepted {
  readonly state: Evidence['accepts'];
  readonly detail: string | null;
  readonly at: Address | null;
}
const NOT_CHECKED: Accepted = { state: 'unknown', detail: null, at: null };

export interface Witness {
  /** @param eager check the upstream even if its interval has not passed */
  look(pm2: { status: Pm2Evidence; app: Pm2App | undefined }, eager: boolean): Promise<Sighting>;
  close(): void;
}

/** Gathers the evidence on one proxy; `onEnd` when its control connection ends, with a goodbye (`left`) or without. */
export const createWitness = (
  proxy: ProxyConfig,
  monitor: MonitorConfig,
  socketPath: string,
  onEnd: (how: 'left' | 'lost') => void,
): Witness => {
  let client: ControlClient<ProxyProtocol> | undefined;
  let upstreamCheckedAt = Number.NEGATIVE_INFINITY;
  let last: Pick<Evidence, 'upstream' | 'endToEnd'> & { probeMs: number | null; detail: string | null } = {
    upstream: 'unknown',
    endToEnd: 'unknown',
    probeMs: null,
    detail: null,
  };

  const heartbeat = async (): Promise<{ state: Evidence['heartbeat']; report: ProxyReport | null }> => {
    const startedAt = performance.now();
    try {
      if (!client) {
        const opened = await connectControl<ProxyProtocol>(socketPath, HEARTBEAT_TIMEOUT_MS);
        client = opened;
        void opened.closed.then((how) => {
          if (client !== opened) return;
          client = undefined;
          onEnd(how);
        });
      }
      return { state: 'ok', report: await client.ask('report', null, HEARTBEAT_TIMEOUT_MS) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ETIMEDOUT')
        return { state: 'unreachable', report: null };
      const late = performance.now() - startedAt > HEARTBEAT_TIMEOUT_MS + LATE_MS;
      return { state: late ? 'unknown' : 'silent', report: null };
    }
  };

  const accepts = async (bound: readonly Address[]): Promise<Accepted> => {
    const [first] = bound;
    if (!first || !client || isUnix(first)) return NOT_CHECKED;
    const at = reachable(first);
    const localPort = checkPort();
    await client.ask('expect_check', { localPort, forward: false }, HEARTBEAT_TIMEOUT_MS);
    const result = await probeAccept(at, localPort, HEARTBEAT_TIMEOUT_MS);
    if (result.ok) return { state: 'ok', detail: null, at };
    // An address that has just gone from this host is the host's affair: the proxy follows within seconds.
    if (!isLoopback(at.host) && !localAddresses().includes(at.host)) return NOT_CHECKED;
    return LOCAL_PORT_TAKEN.test(result.error) ? NOT_CHECKED : { state: 'failed', detail: result.error, at };
  };

  const throughProxy = async (bound: readonly Address[]): Promise<ProbeResult | undefined> => {
    const [first] = bound;
    if (!first || !client || isUnix(first) || proxy.probe.type !== 'http') return undefined;
    const localPort = checkPort();
    await client.ask('expect_check', { localPort, forward: true }, HEARTBEAT_TIMEOUT_MS);
    const result = await probeHttp(
      reachable(first),
      proxy.upstream,
      proxy.probe,
      monitor.probeTimeoutMs,
      localPort,
    );
    return !result.ok && LOCAL_PORT_TAKEN.test(result.error) ? undefined : result;
  };

  /** The socket table at every look (it touches nobody); the rest at its own interval, or when something is wrong. */
  const checkUpstream = async (bound: readonly Address[], eager: boolean): Promise<void> => {
    const listens = upstreamListens(proxy.upstream, bound);
    if (listens === false) {
      last = {
        upstream: 'failed',
        endToEnd: 'unknown',
        probeMs: null,
        detail: `nothing listens on ${formatAddress(proxy.upstream)}`,
      };
      return;
    }
    const due = performance.now() - upstreamCheckedAt >= monitor.upstreamIntervalMs;
    if (proxy.probe.type === 'listen') {
      last = { upstream: listens ? 'ok' : 'unknown', endToEnd: 'unknown', probeMs: null, detail: null };
    } else if (due || eager || last.upstream === 'failed') {
      upstreamCheckedAt = performance.now();
      const through = await throughProxy(bound);
      const direct = through?.ok
        ? through
        : await probeUpstream(proxy.upstream, proxy.probe, bound, monitor.probeTimeoutMs);
      const result = through ?? direct;
      last = {
        upstream: direct.ok ? 'ok' : 'failed',
        endToEnd: through ? (through.ok ? 'ok' : 'failed') : 'unknown',
        probeMs: result.ok ? result.durationMs : null,
        detail: direct.ok ? (result.ok ? null : result.error) : direct.error,
      };
    }
  };

  const notChecked = (error: Error): void => {
    last = { upstream: 'unknown', endToEnd: 'unknown', probeMs: null, detail: error.message };
  };

  return {
    look: async ({ status, app }, eager) => {
      const nobody = ['deleted', 'stopped', 'gave_up'].includes(status);
      const { state, report } = nobody ? ({ state: 'unknown', report: null } as const) : await heartbeat();
      const pid = report?.pid ?? app?.pid ?? null;
      const bound = (report?.bindings ?? []).filter((binding) => binding.state === 'bound');
      const accepted = await accepts(bound).catch(() => NOT_CHECKED);
      if (report) await checkUpstream(bound, eager).catch(notChecked);
      const evidence: Evidence = {
        pm2: status,
        process: processState(pid),
        heartbeat: state,
        listening: listeningState(report),
        accepts: accepted.state,
        upstream: last.upstream,
        endToEnd: last.endToEnd,
      };
      return {
        evidence,
        pid,
        report,
        probeMs: last.probeMs,
        detail: accepted.detail ?? last.detail,
        accepted: accepted.at,
      };
    },
    close: () => {
      const open = client;
      client = undefined;
      open?.close();
    },
  };
};

/** The check's own port was not free after all: that says nothing of the proxy. */
const LOCAL_PORT_TAKEN = /EADDRINUSE|EADDRNOTAVAIL/;

/** Where to connect for a bound address: a wildcard stands for what is reachable from elsewhere, if anything is. */
const reachable = ({ host, port }: Address): Address => {
  if (host !== '0.0.0.0' && host !== '::') return { host, port };
  const outside = localAddresses().find((local) => !isLoopback(local) && ipFamily(local) === ipFamily(host));
  return { host: outside ?? (host === '::' ? '::1' : '127.0.0.1'), port };
};

const processState = (pid: number | null): Evidence['process'] => {
  if (pid === null || !HAS_PROCFS) return 'unknown';
  const state = readProcess(pid)?.state;
  if (state === undefined || state === 'Z' || state === 'X') return 'gone';
  return state === 'T' || state === 't' ? 'stopped' : 'alive';
};

const listeningState = (report: ProxyReport | null): Evidence['listening'] => {
  if (!report) return 'unknown';
  const has = (state: Binding['state']): boolean =>
    report.bindings.some((binding) => binding.state === state);
  if (has('bound')) return has('in_use') ? 'some' : 'all';
  if (has('in_use')) return 'in_use';
  return has('not_needed') ? 'not_needed' : 'none';
};
