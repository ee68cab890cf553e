import { connect, type Socket } from 'node:net';
import { decodeFrames } from './amp-decoder.ts';

/** An event of an app. It is a reason to check the app at once, and not evidence of its state. */
export interface Pm2Event {
  readonly app: string;
  /** The event as PM2 names it: exit, online, start, stop, delete, restart, "restart overlimit" and more. */
  readonly event: string;
  /** The end of the process: "killed by SIGKILL", "exited with code 3". Null when it did not end, or PM2 does not report how. */
  readonly ending: string | null;
}

export interface Pm2EventBus {
  /**
   * Connects to this daemon's bus unless it is connected already, and does not wait for the result. A connection that fails
   * or ends is not reported; the next call connects anew.
   * @param daemonPid null: unknown
   */
  connectTo(daemonPid: number | null): void;
  disconnect(): void;
}

/** The events of steadyport's apps have a few kilobytes. */
const MAX_MESSAGE_BYTES = 100_000;
/**
 * The bus carries the output of all apps as well. Above this rate reading it costs more than the events are worth, and the
 * bus is left alone for PAUSE_MS.
 */
const MAX_BYTES_PER_SECOND = 200_000;
const PAUSE_MS = 60_000;

/**
 * Reads PM2's bus directly, without PM2's `launchBus` (docs/decisions.md: ADR-0022). It starts no daemon, connects only in
 * `connectTo`, and keeps no process alive.
 * @param path `pub.sock` of PM2_HOME
 * @param onConnect called when it has connected: what happened until then was not heard. Default: nobody is told
 */
export const createPm2EventBus = (
  path: string,
  onEvent: (event: Pm2Event) => void,
  onConnect = (): void => {},
): Pm2EventBus => {
  let socket: Socket | undefined;
  let connectedPid: number | null = null;
  let resumeAt = Number.NEGATIVE_INFINITY;

  const disconnect = (): void => {
    socket?.destroy();
    socket = undefined;
  };

  const connectTo = (daemonPid: number | null): void => {
    if (daemonPid !== connectedPid) disconnect();
    if (socket || performance.now() < resumeAt) return;
    const newSocket = connect(path).unref();
    socket = newSocket;
    connectedPid = daemonPid;
    const decode = decodeFrames([EVENT_TOPIC, DAEMON_LOG_TOPIC], MAX_MESSAGE_BYTES, (topic, message) => {
      const event = parseEvent(topic, message as Message | null);
      if (event && socket === newSocket) onEvent(event);
    });
    const isOverRate = createRateMeter(MAX_BYTES_PER_SECOND);
    newSocket.on('connect', () => {
      if (socket === newSocket) onConnect();
    });
    newSocket.on('data', (chunk) => {
      decode(chunk);
      if (!isOverRate(chunk.length)) return;
      resumeAt = performance.now() + PAUSE_MS;
      disconnect();
    });
    newSocket.on('error', () => {});
    newSocket.on('close', () => {
      if (socket === newSocket) socket = undefined;
    });
  };

  return { connectTo, disconnect };
};

const EVENT_TOPIC = 'process:event';
/** The daemon's own log. Only its lines name the signal that ended a process. */
const DAEMON_LOG_TOPIC = 'log:PM2';

interface Message {
  readonly event?: string;
  readonly process?: { readonly name?: string; readonly exit_code?: number } | null;
  readonly data?: string;
}

const parseEvent = (topic: string, message: Message | null): Pm2Event | undefined => {
  if (topic === DAEMON_LOG_TOPIC) {
    const [, app, code, signal] = EXIT_LOG_LINE.exec(String(message?.data)) ?? [];
    return app === undefined
      ? undefined
      : { app, event: 'exit', ending: describeEnding(Number(code), signal) };
  }
  const { event, process } = message ?? {};
  const { name, exit_code: code = 0 } = process ?? {};
  if (typeof name !== 'string' || typeof event !== 'string') return undefined;
  return { app: name, event, ending: event === 'exit' ? describeEnding(code) : null };
};

/** The line that PM2 logs when a process ends (handleExit in its lib/God.js). */
const EXIT_LOG_LINE = /^App \[(.+):\d+\] exited with code \[(\d+)\] via signal \[(SIG[A-Z0-9]+)\]/;

/**
 * PM2 reports SIGINT for a process that ended without a signal, and code 0 for one that a signal ended. SIGINT with code 0
 * may be either, so it describes nothing.
 */
const describeEnding = (code: number, signal = 'SIGINT'): string | null => {
  if (signal !== 'SIGINT') return `killed by ${signal}`;
  return code > 0 ? `exited with code ${code}` : null;
};

/** @returns a function that adds received bytes, and is true when more than `maxBytes` came within one second */
const createRateMeter = (maxBytes: number): ((bytes: number) => boolean) => {
  let windowStartedAt = performance.now();
  let sumBytes = 0;
  return (bytes) => {
    if (performance.now() - windowStartedAt > 1_000) {
      windowStartedAt = performance.now();
      sumBytes = 0;
    }
    sumBytes += bytes;
    return sumBytes > maxBytes;
  };
};
