import { connect, type Socket } from 'node:net';
import type { ProxyReport } from '../proxy/report.ts';
import { frame, onLine } from './framing.ts';
import type { Protocol } from './protocol.ts';

export interface ControlClient<P extends Protocol<P>> {
  /** Rejects when there is no answer within `timeoutMs`, or the other end has gone. */
  ask<A extends keyof P & string>(name: A, argument: P[A]['ask'], timeoutMs: number): Promise<P[A]['reply']>;
  /** Settles when the other end says that it leaves; it may still answer for a while. */
  readonly leaving: Promise<void>;
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
  new Promise((done, fail) => {
    const socket = connect(path);
    const timer = setTimeout(() => socket.destroy(timeoutError(path, timeoutMs)), timeoutMs);
    socket.once('error', fail);
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => {
      clearTimeout(timer);
      done(createClient<P>(socket, path));
    });
  });

interface Waiting {
  done(reply: unknown): void;
  fail(error: Error): void;
}

const createClient = <P extends Protocol<P>>(socket: Socket, path: string): ControlClient<P> => {
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let left = false;
  let lastReport: ProxyReport | undefined;
  let say = (): void => {};
  const leaving = new Promise<void>((done) => {
    say = done;
  });
  onLine(socket, (line) => {
    const message = parseMessage(line);
    if (message?.event === 'leaving') {
      left = true;
      say();
    }
    if (message?.event === 'last') lastReport = message.report;
    const entry = waiting.get(message?.id ?? 0);
    if (!message || !entry) return;
    if (message.error === undefined) entry.done(message.reply);
    else entry.fail(new Error(`${path}: ${message.error}`));
  });
  socket.on('error', () => socket.destroy());
  const closed = new Promise<'left' | 'lost'>((done) => {
    socket.once('close', () => {
      for (const entry of waiting.values())
        entry.fail(Object.assign(new Error(`${path} was closed`), { code: 'EPIPE' }));
      done(left ? 'left' : 'lost');
    });
  });
  return {
    ask: (name, argument, timeoutMs) =>
      new Promise((done, fail) => {
        const id = ++lastId;
        const timer = setTimeout(() => settle(() => fail(timeoutError(path, timeoutMs))), timeoutMs);
        const settle = (end: () => void): void => {
          clearTimeout(timer);
          waiting.delete(id);
          end();
        };
        waiting.set(id, {
          done: (reply) => settle(() => done(reply as never)),
          fail: (error) => settle(() => fail(error)),
        });
        if (socket.destroyed)
          waiting.get(id)?.fail(Object.assign(new Error(`${path} was closed`), { code: 'EPIPE' }));
        else socket.write(frame({ id, ask: name, with: argument }));
      }),
    leaving,
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
