import { connect, type Socket } from 'node:net';
import type { ProxyReport } from '../proxy/report.ts';
import { frame, onLine } from './framing.ts';
import type { Protocol } from './protocol.ts';

export interface ControlClient<P extends Protocol<P>> {
  /** Rejects when there is no answer within `timeoutMs`, or the other end has gone. */
  ask<A extends keyof P & string>(name: A, argument: P[A]['ask'], timeoutMs: number): Promise<P[A]['reply']>;
  /** Settles when the other end says that it leaves; it may still answer for a while. */
  readonly stopping: Promise<void>;
  /** The other end's last report, when it has said one. */
  lastReport(): ProxyReport | undefined;
  /** Settles when the other end has gone: `left` when it said so first. */
  readonly closed: Promise<'left' | 'lost'>;
  close(): void;
}

/** Rejects with the system's error (ENOENT, ECONNREFUSED: nobody there), or after `timeoutMs`. */
export const connectControl = <P extends Protocol<P>>(
  path: string,
  timeoutMs: number,
): Promise<ControlClient<P>> =>
  new Promise((resolve, reject) => {
    const socket = connect(path);
    const timer = setTimeout(() => socket.destroy(timeoutError(path, timeoutMs)), timeoutMs);
    socket.once('error', reject);
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(createClient<P>(socket, path));
    });
  });

interface PendingRequest {
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

const createClient = <P extends Protocol<P>>(socket: Socket, path: string): ControlClient<P> => {
  const pending = new Map<number, PendingRequest>();
  let lastId = 0;
  let hasAnnouncedStop = false;
  let lastReport: ProxyReport | undefined;
  let resolveStopping = (): void => {};
  const stopping = new Promise<void>((resolve) => {
    resolveStopping = resolve;
  });
  onLine(socket, (line) => {
    const message = parseMessage(line);
    if (message?.event === 'leaving') {
      hasAnnouncedStop = true;
      resolveStopping();
    }
    if (message?.event === 'last') lastReport = message.report;
    const request = pending.get(message?.id ?? 0);
    if (!message || !request) return;
    if (message.error === undefined) request.resolve(message.reply);
    else request.reject(new Error(`${path}: ${message.error}`));
  });
  socket.on('error', () => socket.destroy());
  const closed = new Promise<'left' | 'lost'>((resolve) => {
    socket.once('close', () => {
      for (const request of pending.values())
        request.reject(Object.assign(new Error(`${path} was closed`), { code: 'EPIPE' }));
      resolve(hasAnnouncedStop ? 'left' : 'lost');
    });
  });
  return {
    ask: (name, argument, timeoutMs) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        const timer = setTimeout(() => settle(() => reject(timeoutError(path, timeoutMs))), timeoutMs);
        const settle = (finish: () => void): void => {
          clearTimeout(timer);
          pending.delete(id);
          finish();
        };
        pending.set(id, {
          resolve: (reply) => settle(() => resolve(reply as never)),
          reject: (error) => settle(() => reject(error)),
        });
        if (socket.destroyed)
          pending.get(id)?.reject(Object.assign(new Error(`${path} was closed`), { code: 'EPIPE' }));
        else socket.write(frame({ id, ask: name, with: argument }));
      }),
    stopping,
    lastReport: () => lastReport,
    closed,
    close: () => socket.destroy(),
  };
};

const timeoutError = (path: string, timeoutMs: number): Error =>
  Object.assign(new Error(`no answer on ${path} within ${timeoutMs} ms`), { code: 'ETIMEDOUT' });

interface Message {
  readonly id?: number;
  readonly reply?: unknown;
  readonly error?: string;
  readonly event?: string;
  readonly report?: ProxyReport;
}

/** Undefined for what is no message: a peer that is killed while it writes leaves half a line. */
const parseMessage = (line: string): Message | undefined => {
  try {
    return (JSON.parse(line) as Message | null) ?? undefined;
  } catch {
    return undefined;
  }
};
