import { connect, type Socket } from 'node:net';
import { createDebug } from '../system/debug.ts';
import { frame, onLine } from './framing.ts';
import { type Protocol, UNKNOWN_ASK } from './protocol.ts';

/** The end of a control connection: after an announced shutdown of the other end, or without one. */
export type ConnectionEnd = 'announced' | 'unexpected';

export interface ControlClient<P extends Protocol<P>> {
  /**
   * Asks the other end.
   * @throws ETIMEDOUT when there is no answer within `timeoutMs`, EPIPE when the other end has gone, ENOSYS when it does not
   * know the ask, EREMOTEIO with its own message when the ask fails there
   */
  ask<A extends keyof P & string>(name: A, argument: P[A]['ask'], timeoutMs: number): Promise<P[A]['reply']>;
  /** Settles when the other end announces its shutdown; it may still answer for a while. */
  readonly shutdownAnnounced: Promise<void>;
  /** The last report of the other end, as it was sent; undefined until then. */
  lastReport(): unknown;
  /** Settles when the connection has ended. */
  readonly closed: Promise<ConnectionEnd>;
  close(): void;
}

const debug = createDebug('ipc');

/** @throws the system's error (ENOENT and ECONNREFUSED: nobody is there), or ETIMEDOUT after `timeoutMs` */
export const connectControl = <P extends Protocol<P>>(
  path: string,
  timeoutMs: number,
): Promise<ControlClient<P>> =>
  new Promise((resolve, reject) => {
    const socket = connect(path);
    const timer = setTimeout(() => socket.destroy(timeoutError(path, timeoutMs)), timeoutMs);
    socket.once('error', (error) => {
      debug('%s: %s', path, error.message);
      reject(error);
    });
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => {
      clearTimeout(timer);
      debug('%s: connected', path);
      resolve(createClient<P>(socket, path));
    });
  });

const createClient = <P extends Protocol<P>>(socket: Socket, path: string): ControlClient<P> => {
  const requests = createRequests(path);
  let isShutdownAnnounced = false;
  let lastReport: unknown;
  let resolveShutdownAnnounced = (): void => {};
  const shutdownAnnounced = new Promise<void>((resolve) => {
    resolveShutdownAnnounced = resolve;
  });
  onLine(socket, (line) => {
    debug('%s → %s', path, line);
    const message = parseMessage(line);
    if (message?.event === 'leaving') {
      isShutdownAnnounced = true;
      resolveShutdownAnnounced();
    }
    if (message?.event === 'last') lastReport = message.report;
    if (message) requests.settle(message);
  });
  socket.on('error', () => socket.destroy());
  const closed = new Promise<ConnectionEnd>((resolve) => {
    socket.once('close', () => {
      requests.rejectAll();
      const end = isShutdownAnnounced ? 'announced' : 'unexpected';
      debug('%s: closed, %s', path, end);
      resolve(end);
    });
  });
  return {
    ask: (name, argument, timeoutMs) => {
      const { id, reply } = requests.add(timeoutMs);
      debug('%s ← ask %d: %s %j', path, id, name, argument);
      if (socket.destroyed) requests.rejectAll();
      else socket.write(frame({ id, ask: name, with: argument }));
      return reply as Promise<never>;
    },
    shutdownAnnounced,
    lastReport: () => lastReport,
    closed,
    close: () => socket.destroy(),
  };
};

interface PendingRequest {
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

/** The asks of one connection that have no answer yet, by their ids. */
const createRequests = (path: string) => {
  const pending = new Map<number, PendingRequest>();
  let lastId = 0;
  return {
    /** A new ask. Its reply is rejected after `timeoutMs`. */
    add: (timeoutMs: number): { readonly id: number; readonly reply: Promise<unknown> } => {
      lastId += 1;
      const id = lastId;
      const reply = new Promise((resolve, reject) => {
        const timer = setTimeout(() => settle(() => reject(timeoutError(path, timeoutMs))), timeoutMs);
        const settle = (finish: () => void): void => {
          clearTimeout(timer);
          pending.delete(id);
          finish();
        };
        pending.set(id, {
          resolve: (value) => settle(() => resolve(value)),
          reject: (error) => settle(() => reject(error)),
        });
      });
      return { id, reply };
    },
    /** Gives the ask its answer. A message that answers no ask is ignored. */
    settle: ({ id, error, reply }: Message): void => {
      const request = pending.get(id as number);
      if (error === undefined) request?.resolve(reply);
      else request?.reject(replyError(path, String(error)));
    },
    rejectAll: (): void => {
      for (const request of pending.values())
        request.reject(Object.assign(new Error(`${path} was closed`), { code: 'EPIPE' }));
    },
  };
};

const timeoutError = (path: string, timeoutMs: number): Error =>
  Object.assign(new Error(`no answer on ${path} within ${timeoutMs} ms`), { code: 'ETIMEDOUT' });

const replyError = (path: string, text: string): Error => {
  const code = text.startsWith(UNKNOWN_ASK) ? 'ENOSYS' : 'EREMOTEIO';
  return Object.assign(new Error(`${path}: ${text}`), { code });
};

/** The fields that this version knows; the other end may be of another version. */
interface Message {
  readonly id?: unknown;
  readonly reply?: unknown;
  readonly error?: unknown;
  readonly event?: unknown;
  readonly report?: unknown;
}

/** Parses a line. Undefined when it is no message: a peer that is killed while it writes leaves half a line. */
const parseMessage = (line: string): Message | undefined => {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === 'object' && message !== null ? message : undefined;
  } catch {
    return undefined;
  }
};
