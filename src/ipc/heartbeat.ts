import type { Evidence } from '../health/types.ts';
import { isProxyReport, type ProxyReport } from '../proxy/report.ts';
import { isOwnLimit } from '../system/own-limits.ts';
import { isListening } from '../system/unix-socket.ts';
import { type ConnectionEnd, type ControlClient, connectControl } from './client.ts';
import type { ProxyProtocol } from './protocol.ts';

/** The outcome of one question to the proxy on its control socket. */
export interface HeartbeatResult {
  readonly state: Evidence['heartbeat'];
  readonly report: ProxyReport | null;
  /** The time that the answer took, in milliseconds; null without one. */
  readonly responseMs: number | null;
}

export interface Heartbeat {
  /**
   * Asks for a report, and connects first where there is no connection. Each of the two takes `timeoutMs` at most. It
   * rejects only with what `onReport` throws: that says nothing about the proxy.
   */
  beat(timeoutMs: number): Promise<HeartbeatResult>;
  /** False when the proxy has not answered in time; true also when there is nobody to ask. */
  pulse(timeoutMs: number): Promise<boolean>;
  /** Asks over the same connection. Rejects when there is none, or when no answer comes within ASK_TIMEOUT_MS. */
  ask<A extends keyof ProxyProtocol>(name: A, argument: ProxyProtocol[A]['ask']): Promise<unknown>;
  close(): void;
}

/** A time-out that fires this much too late shows that the monitor was late, not the proxy: it gives no verdict. */
const LATE_TOLERANCE_MS = 150;
const ASK_TIMEOUT_MS = 350;

/**
 * @param onEnd is called when the control connection ends
 * @param onShutdownAnnounced is called when the proxy announces its shutdown
 * @param onReport is called with each report, also with the last one of a proxy that shuts down
 * @param onError is called with an error of the monitor itself; the state is then `unknown`
 */
export const createHeartbeat = (
  socketPath: string,
  onEnd: (end: ConnectionEnd) => void,
  onShutdownAnnounced = (): void => {},
  onReport = (_: ProxyReport): void => {},
  onError = (_: unknown): void => {},
): Heartbeat => {
  let client: ControlClient<ProxyProtocol> | undefined;

  const ensureConnected = async (timeoutMs: number): Promise<ControlClient<ProxyProtocol>> => {
    if (client) return client;
    const opened = await connectControl<ProxyProtocol>(socketPath, timeoutMs);
    client = opened;
    void opened.shutdownAnnounced.then(() => {
      if (client === opened) onShutdownAnnounced();
    });
    void opened.closed.then((end) => {
      if (client !== opened) return;
      client = undefined;
      const lastReport = opened.lastReport();
      if (isProxyReport(lastReport)) onReport(lastReport);
      onEnd(end);
    });
    return opened;
  };

  return {
    beat: async (timeoutMs) => {
      const startedAt = performance.now();
      // The request takes one time-out at most, and a connect before it another one.
      const maxWaitMs = client ? timeoutMs : 2 * timeoutMs;
      let reply: unknown;
      let responseMs = 0;
      try {
        const activeClient = await ensureConnected(timeoutMs);
        const askedAt = performance.now();
        reply = await activeClient.ask('report', null, timeoutMs);
        responseMs = performance.now() - askedAt;
      } catch (error) {
        if (!isExplained(error)) onError(error);
        const isLate = performance.now() - startedAt > maxWaitMs + LATE_TOLERANCE_MS;
        return { state: await stateAfter(error, isLate, socketPath), report: null, responseMs: null };
      }
      const report = isProxyReport(reply) ? reply : null;
      if (report) onReport(report);
      return { state: 'ok', report, responseMs };
    },
    pulse: async (timeoutMs) => {
      try {
        await client?.ask('pulse', null, timeoutMs);
        return true;
      } catch (error) {
        return !isTimeout(error);
      }
    },
    ask: async (name, argument) => {
      if (!client) throw new Error('no connection to the proxy');
      return client.ask(name, argument, ASK_TIMEOUT_MS);
    },
    close: () => {
      const openClient = client;
      client = undefined;
      openClient?.close();
    },
  };
};

/** The meaning of a question that failed. An error that is not explained is of the monitor, and no evidence against the proxy. */
const stateAfter = async (
  error: unknown,
  isLate: boolean,
  socketPath: string,
): Promise<Evidence['heartbeat']> => {
  if (isTimeout(error)) return isLate ? 'unknown' : 'silent';
  if (ANSWER_CODES.includes(codeOf(error))) return 'ok';
  // One that cuts its connections has too many, or ends just now.
  if (ENDED_CODES.includes(codeOf(error)) && (await isListening(socketPath))) return 'unknown';
  return UNREACHABLE_CODES.includes(codeOf(error)) ? 'unreachable' : 'unknown';
};

/** True when the other end, or a limit of this process, is the reason. Others are faults of the monitor itself. */
const isExplained = (error: unknown): boolean =>
  isTimeout(error) ||
  isOwnLimit(codeOf(error)) ||
  [...ANSWER_CODES, ...UNREACHABLE_CODES].includes(codeOf(error));

/** The answer is an error: the proxy answers, and nothing else is known of it. */
const ANSWER_CODES: readonly string[] = ['ENOSYS', 'EREMOTEIO'];

/** The connection has ended without an answer (unix(7)). */
const ENDED_CODES: readonly string[] = ['ECONNRESET', 'EPIPE'];

/** Nobody listens on the socket, or the connection has ended (connect(2)). */
const UNREACHABLE_CODES: readonly string[] = [
  'ENOENT',
  'ENOTDIR',
  'ECONNREFUSED',
  'ENOTSOCK',
  ...ENDED_CODES,
];

/** EAGAIN: the proxy has accepted no client for so long that the kernel takes no more (connect(2)). */
const isTimeout = (error: unknown): boolean => ['ETIMEDOUT', 'EAGAIN'].includes(codeOf(error));

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';
