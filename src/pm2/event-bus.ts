import { connect, type Socket } from 'node:net';
import { cutFrames } from './amp-decoder.ts';

/** Something has happened to an app: a reason to look at it, and no evidence. */
export interface Pm2News {
  readonly app: string;
  /** PM2's word: exit, online, start, stop, delete, restart, "restart overlimit" and more. */
  readonly event: string;
  /** How its process ended: "killed by SIGKILL", "exited with code 3". Null when it did not, or PM2 does not say. */
  readonly ending: string | null;
}

export interface Pm2Bus {
  /** Connects, if it is not connected to this daemon, and waits for nothing. Nobody there, or an end, is no news. */
  join(daemonPid: number): void;
  leave(): void;
}

/** Our apps' events have a few kilobytes. */
const MOST_MESSAGE_BYTES = 100_000;
/** The bus carries all apps' output as well: where there is more of it, the news are not worth it. */
const MOST_BYTES_A_SECOND = 200_000;
const REST_MS = 60_000;

/**
 * PM2's bus, read directly and not by PM2's `launchBus` (docs/decisions.md: PM2's bus). It starts no daemon, connects
 * only when it is told to, and keeps no process alive.
 * @param path `pub.sock` of PM2_HOME
 */
export const createPm2Bus = (path: string, onNews: (news: Pm2News) => void): Pm2Bus => {
  let socket: Socket | undefined;
  let joinedPid: number | undefined;
  let notBefore = Number.NEGATIVE_INFINITY;

  const leave = (): void => {
    socket?.destroy();
    socket = undefined;
  };

  const join = (daemonPid: number): void => {
    if (daemonPid !== joinedPid) leave();
    if (socket || performance.now() < notBefore) return;
    const opened = connect(path).unref();
    [socket, joinedPid] = [opened, daemonPid];
    const take = cutFrames([EVENT, DAEMON_LOG], MOST_MESSAGE_BYTES, (topic, message) => {
      const news = newsOf(topic, message as Message | null);
      if (news && socket === opened) onNews(news);
    });
    const isTooMuch = createMeter(MOST_BYTES_A_SECOND);
    opened.on('data', (chunk) => {
      take(chunk);
      if (!isTooMuch(chunk.length)) return;
      notBefore = performance.now() + REST_MS;
      leave();
    });
    opened.on('error', () => {});
    opened.on('close', () => {
      if (socket === opened) socket = undefined;
    });
  };

  return { join, leave };
};

const EVENT = 'process:event';
/** What the daemon writes to its own log: only there it says which signal it was. */
const DAEMON_LOG = 'log:PM2';

interface Message {
  readonly event?: string;
  readonly process?: { readonly name?: string; readonly exit_code?: number };
  readonly data?: string;
}

const newsOf = (topic: string, message: Message | null): Pm2News | undefined => {
  if (topic === DAEMON_LOG) {
    const [, app, code, signal] = ENDED.exec(String(message?.data)) ?? [];
    return app === undefined
      ? undefined
      : { app, event: 'exit', ending: describeEnding(Number(code), signal) };
  }
  const { event, process: { name, exit_code: code = 0 } = {} } = message ?? {};
  if (typeof name !== 'string' || typeof event !== 'string') return undefined;
  return { app: name, event, ending: event === 'exit' ? describeEnding(code) : null };
};

/** PM2's lib/God.js, handleExit. */
const ENDED = /^App \[(.+):\d+\] exited with code \[(\d+)\] via signal \[(SIG[A-Z0-9]+)\]/;

/** Without a signal PM2 says SIGINT, and with one 0: both together say nothing. */
const describeEnding = (code: number, signal = 'SIGINT'): string | null => {
  if (signal !== 'SIGINT') return `killed by ${signal}`;
  return code > 0 ? `exited with code ${code}` : null;
};

/** Whether more than so much has come within a second. */
const createMeter = (most: number): ((bytes: number) => boolean) => {
  let [sinceAt, sum] = [performance.now(), 0];
  return (bytes) => {
    if (performance.now() - sinceAt > 1_000) [sinceAt, sum] = [performance.now(), 0];
    sum += bytes;
    return sum > most;
  };
};
