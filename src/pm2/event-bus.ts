import { connect, type Socket } from 'node:net';
import { decodeFrames } from './amp-decoder.ts';

/** Something has happened to an app: a reason to look at it, and no evidence. */
export interface Pm2Event {
  readonly app: string;
  /** PM2's word: exit, online, start, stop, delete, restart, "restart overlimit" and more. */
  readonly event: string;
  /** How its process ended: "killed by SIGKILL", "exited with code 3". Null when it did not, or PM2 does not say. */
  readonly ending: string | null;
}

export interface Pm2EventBus {
  /** Connects, if it is not connected to this daemon, and waits for nothing. Nobody there, or an end, is no news. */
  connectTo(daemonPid: number): void;
  disconnect(): void;
}

/** Our apps' events have a few kilobytes. */
const MAX_MESSAGE_BYTES = 100_000;
/** The bus carries all apps' output as well: where there is more of it, the news are not worth it. */
const MAX_BYTES_PER_SECOND = 200_000;
const PAUSE_MS = 60_000;

/**
 * PM2's bus, read directly and not by PM2's `launchBus` (docs/decisions.md: PM2's bus). It starts no daemon, connects
 * only when it is told to, and keeps no process alive.
 * @param path `pub.sock` of PM2_HOME
 */
export const createPm2EventBus = (path: string, onEvent: (event: Pm2Event) => void): Pm2EventBus => {
  let socket: Socket | undefined;
  let connectedPid: number | undefined;
  let resumeAt = Number.NEGATIVE_INFINITY;

  const disconnect = (): void => {
    socket?.destroy();
    socket = undefined;
  };

  const connectTo = (daemonPid: number): void => {
    if (daemonPid !== connectedPid) disconnect();
    if (socket || performance.now() < resumeAt) return;
    const newSocket = connect(path).unref();
    [socket, connectedPid] = [newSocket, daemonPid];
    const decode = decodeFrames([EVENT_TOPIC, DAEMON_LOG_TOPIC], MAX_MESSAGE_BYTES, (topic, message) => {
      const event = parseEvent(topic, message as Message | null);
      if (event && socket === newSocket) onEvent(event);
    });
    const isOverRate = createRateMeter(MAX_BYTES_PER_SECOND);
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
/** What the daemon writes to its own log: only there it says which signal it was. */
const DAEMON_LOG_TOPIC = 'log:PM2';

interface Message {
  readonly event?: string;
  readonly process?: { readonly name?: string; readonly exit_code?: number };
  readonly data?: string;
}

const parseEvent = (topic: string, message: Message | null): Pm2Event | undefined => {
  if (topic === DAEMON_LOG_TOPIC) {
    const [, app, code, signal] = EXIT_LOG_LINE.exec(String(message?.data)) ?? [];
    return app === undefined
      ? undefined
      : { app, event: 'exit', ending: describeEnding(Number(code), signal) };
  }
  const { event, process: { name, exit_code: code = 0 } = {} } = message ?? {};
  if (typeof name !== 'string' || typeof event !== 'string') return undefined;
  return { app: name, event, ending: event === 'exit' ? describeEnding(code) : null };
};

/** PM2's lib/God.js, handleExit. */
const EXIT_LOG_LINE = /^App \[(.+):\d+\] exited with code \[(\d+)\] via signal \[(SIG[A-Z0-9]+)\]/;

/** Without a signal PM2 says SIGINT, and with one 0: both together say nothing. */
const describeEnding = (code: number, signal = 'SIGINT'): string | null => {
  if (signal !== 'SIGINT') return `killed by ${signal}`;
  return code > 0 ? `exited with code ${code}` : null;
};

/** Whether more than so much has come within a second. */
const createRateMeter = (maxBytes: number): ((bytes: number) => boolean) => {
  let [windowStartedAt, sumBytes] = [performance.now(), 0];
  return (bytes) => {
    if (performance.now() - windowStartedAt > 1_000) [windowStartedAt, sumBytes] = [performance.now(), 0];
    sumBytes += bytes;
    return sumBytes > maxBytes;
  };
};
