import type { Evidence } from '../health/types.ts';
import type { ProxyReport } from '../proxy/report.ts';
import { type ControlClient, connectControl } from './client.ts';
import type { ProxyProtocol } from './protocol.ts';

/** One question to the proxy on its control socket. */
export interface Beat {
  readonly state: Evidence['heartbeat'];
  readonly report: ProxyReport | null;
  /** What the answer took; null without one. */
  readonly lagMs: number | null;
}

export interface Heartbeat {
  beat(timeoutMs: number): Promise<Beat>;
  /** False when the proxy has not answered in time; true also when there is nobody to ask. */
  pulse(timeoutMs: number): Promise<boolean>;
  /** Asks over the same connection; rejects when there is none, or no answer in time. */
  ask<A extends keyof ProxyProtocol>(name: A, argument: ProxyProtocol[A]['ask']): Promise<unknown>;
  close(): void;
}

/** A time-out that fires this much too late says that the monitor was late, not the proxy: no verdict. */
const LATE_MS = 150;
const ASK_TIMEOUT_MS = 350;

/**
 * `onEnd` when the control connection ends, with a goodbye (`left`) or without; `onLeaving` at the goodbye itself;
 * `onReport` at each report, the last one of a proxy that leaves too.
 */
export const createHeartbeat = (
  socketPath: string,
  onEnd: (how: 'left' | 'lost') => void,
  onLeaving = (): void => {},
  onReport = (_: ProxyReport): void => {},
): Heartbeat => {
  let client: ControlClient<ProxyProtocol> | undefined;

  const connected = async (timeoutMs: number): Promise<ControlClient<ProxyProtocol>> => {
    if (client) return client;
    const opened = await connectControl<ProxyProtocol>(socketPath, timeoutMs);
    client = opened;
    void opened.leaving.then(() => {
      if (client === opened) onLeaving();
    });
    void opened.closed.then((how) => {
      if (client !== opened) return;
      client = undefined;
      const last = opened.lastReport();
      if (last) onReport(last);
      onEnd(how);
    });
    return opened;
  };

  return {
    beat: async (timeoutMs) => {
      const startedAt = performance.now();
      // One time-out to ask, and before it one to connect.
      const longestMs = client ? timeoutMs : 2 * timeoutMs;
      try {
        const asked = await connected(timeoutMs);
        const askedAt = performance.now();
        const report = await asked.ask('report', null, timeoutMs);
        onReport(report);
        return { state: 'ok', report, lagMs: performance.now() - askedAt };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ETIMEDOUT')
          return { state: 'unreachable', report: null, lagMs: null };
        const isLate = performance.now() - startedAt > longestMs + LATE_MS;
        return { state: isLate ? 'unknown' : 'silent', report: null, lagMs: null };
      }
    },
    pulse: async (timeoutMs) => {
      try {
        await client?.ask('pulse', null, timeoutMs);
        return true;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code !== 'ETIMEDOUT';
      }
    },
    ask: async (name, argument) => {
      if (!client) throw new Error('no connection to the proxy');
      return client.ask(name, argument, ASK_TIMEOUT_MS);
    },
    close: () => {
      const open = client;
      client = undefined;
      open?.close();
    },
  };
};
