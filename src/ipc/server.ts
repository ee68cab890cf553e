import { chmodSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProxyReport } from '../proxy/report.ts';
import type { Snapshot } from '../status/snapshot.ts';
import { listenOnFile } from '../system/unix-socket.ts';

/**
 * The protocol of the control sockets: one JSON object a line over a unix socket in STEADYPORT_HOME.
 * `{"id":1,"ask":"report"}` is answered by `{"id":1,"reply":{…}}` or `{"id":1,"error":"…"}`; a proxy that
 * leaves on purpose says `{"event":"leaving"}` first, so that an end of the stream without it is a crash, and
 * `{"event":"last","report":{…}}` when it has finished.
 */
export interface ProxyProtocol extends OrphanProtocol {
  /** The heartbeat: how the proxy is, from its own point of view. */
  report: { ask: null; reply: ProxyReport };
  /** Are you there: the answer is all that is asked for. */
  pulse: { ask: null; reply: null };
  /** A successor wants the port: finish and leave. */
  leave: { ask: null; reply: null };
  /** Close the listening sockets and open them anew. */
  listen_again: { ask: null; reply: null };
  /** The next connection from `localPort` is a check: neither logged nor counted, closed at once unless `forward`. */
  expect_check: { ask: { localPort: number; forward: boolean }; reply: null };
}

export interface MonitorProtocol extends OrphanProtocol {
  status: { ask: null; reply: Snapshot };
}

/** What the monitor and the proxies answer alike. */
export interface OrphanProtocol {
  /** Leave, if PM2 started you for this config and its daemon has gone since; answers whether that is so. */
  leave_orphan: { ask: { configPath: string }; reply: boolean };
}

type Protocol<P> = { [A in keyof P]: { ask: unknown; reply: unknown } };

type Handlers<P extends Protocol<P>> = { readonly [A in keyof P]: (ask: P[A]['ask']) => P[A]['reply'] };

export interface ControlServer {
  /** Tells every monitor that is connected, and those that still come. */
  announce(event: 'leaving'): void;
  /** @param last its last report, to whoever is connected */
  close(last?: ProxyReport): Promise<void>;
}

/**
 * Serves one protocol on a unix socket (mode 0600). A socket file that nobody answers on is replaced.
 * @throws EADDRINUSE when somebody does answer on it
 */
export const serveControl = async <P extends Protocol<P>>(
  path: string,
  handlers: Handlers<P>,
): Promise<ControlServer> => {
  const sockets = new Set<Socket>();
  let announced = '';
  const server = createServer((socket) => {
    sockets.add(socket);
    if (announced) socket.write(announced);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    onLine(socket, (line) => socket.write(answer(handlers, line)));
  });
  await listenOnFile(server, { path });
  chmodSync(path, 0o600);
  server.on('error', () => {});
  return {
    announce: (event) => {
      announced = frame({ event });
      for (const socket of sockets) socket.write(announced);
    },
    close: (last) =>
      new Promise((done) => {
        server.close(() => done());
        for (const socket of sockets) {
          // What fits into the socket is there at once: a monitor that hangs keeps nobody.
          if (last) socket.write(frame({ event: 'last', report: last }));
          socket.destroy();
        }
      }),
  };
};

/** readline passes the socket's errors on as its own; the socket's handler has them already. */
const onLine = (socket: Socket, take: (line: string) => void): void => {
  createInterface({ input: socket })
    .on('line', take)
    .on('error', () => {});
};

/** One line; JSON may hold the two other characters that end a line for readline, so they are escaped. */
const frame = (message: object): string =>
  `${JSON.stringify(message).replace(/[\u2028\u2029]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16)}`)}\n`;

const answer = (handlers: object, line: string): string => {
  let id: unknown = null;
  try {
    const {
      id: asked,
      ask,
      with: argument,
    } = JSON.parse(line) as { id: unknown; ask: string; with: unknown };
    id = asked;
    const handler = (handlers as Record<string, ((ask: unknown) => unknown) | undefined>)[ask];
    if (!Object.hasOwn(handlers, ask) || !handler) throw new Error(`unknown ask ${JSON.stringify(ask)}`);
    return frame({ id, reply: handler(argument) ?? null });
  } catch (error) {
    return frame({ id, error: (error as Error).message });
  }
};

/** As {@link serveControl}, but while somebody answers on `path` it waits for them to leave; `tell` is called once. */
export const serveControlWhenFree = async <P extends Protocol<P>>(
  path: string,
  handlers: Handlers<P>,
  tell: () => void,
): Promise<ControlServer> => {
  for (let tries = 0; ; tries += 1) {
    try {
      return await serveControl(path, handlers);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      if (tries === 0) tell();
      await untilLeft(path);
    }
  }
};

/** One that cannot be asked, or whose file is gone, is looked at again after {@link TAKEN_RETRY_MS}. */
const untilLeft = async (path: string): Promise<void> => {
  const late = sleep(TAKEN_RETRY_MS);
  const holder = await connectControl(path, TAKEN_RETRY_MS).catch(() => undefined);
  const left = holder?.closed.then(() => sleep(LEFT_PAUSE_MS));
  await Promise.race([left ?? late, late]);
  holder?.close();
};

const TAKEN_RETRY_MS = 2_000;
/** One that closes at once, and stays, is not asked without end. */
const LEFT_PAUSE_MS = 20;

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
