import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type Address, isUnixSocket, toNetOptions } from '../../../src/lib/address.ts';
import type { ConnectionRecord, CreateEngine, Engine, Policy } from '../../../src/proxy/engine.ts';
import { createKernelEngine } from '../../../src/proxy/kernel/engine.ts';
import { createPortableEngine } from '../../../src/proxy/portable/engine.ts';
import { LIMITS } from './proxy-policy.ts';

const ENGINES: Readonly<Record<string, CreateEngine>> = {
  portable: createPortableEngine,
  kernel: createKernelEngine,
};

/**
 * Every behaviour is tested on each of the engines.
 * @param define gets the engine's name, {@link openRig} with that engine, and the engine itself
 */
export const forEachEngine = (
  define: (name: string, rig: OpenRig, createEngine: CreateEngine) => void,
): void => {
  for (const [name, createEngine] of Object.entries(ENGINES))
    define(name, (t, ...args) => openRig(t, createEngine, ...args), createEngine);
};

type OpenRig = (
  t: TestContext,
  upstream: Address,
  policy?: Partial<Policy>,
  listen?: Address,
) => Promise<Rig>;

export interface Rig {
  readonly engine: Engine;
  /** Where the proxy listens. */
  readonly address: Address;
  readonly upstream: Address;
  /** Resolves with the record of the n-th finished connection, counted from 0. */
  record(n: number): Promise<ConnectionRecord>;
  readonly records: readonly ConnectionRecord[];
  dial(): Socket;
}

/** Starts an engine on a free loopback port in front of `upstream`; it is drained when the test ends. */
const openRig = async (
  t: TestContext,
  createEngine: CreateEngine,
  upstream: Address,
  policy: Partial<Policy> = {},
  listen: Address = { host: '127.0.0.1', port: 0 },
): Promise<Rig> => {
  const records: ConnectionRecord[] = [];
  let waiting: { n: number; done: (record: ConnectionRecord) => void }[] = [];
  const engine = await createEngine(
    { ...LIMITS, upstream, ...policy },
    {
      onError: (error) => assert.fail(error),
      onDeath: (cause) => assert.fail(cause),
      onEnd: (record) => {
        records.push(record);
        for (const { n, done } of waiting) if (n === records.length - 1) done(record);
        waiting = waiting.filter(({ n }) => n >= records.length);
      },
    },
  );
  t.after(() => engine.drain(0));
  const address = await engine.listen(listen);
  return {
    engine,
    address,
    upstream,
    records,
    record: async (n) => records[n] ?? new Promise((done) => waiting.push({ n, done })),
    dial: () => dial(t, address),
  };
};

/** A client that half-closes only when the test calls `end`. */
export const dial = (t: TestContext, address: Address): Socket => {
  const socket = connect({ ...toNetOptions(address), allowHalfOpen: true, noDelay: true });
  socket.on('error', () => {});
  destroyAfter(t, socket);
  return socket;
};

/** The sockets that are open when the test ends are destroyed by one hook: a hook for each would cost more than they do. */
const destroyAfter = (t: TestContext, socket: Socket): void => {
  const sockets = socketsOfTests.get(t) ?? new Set();
  if (!socketsOfTests.has(t)) {
    socketsOfTests.set(t, sockets);
    t.after(() => {
      for (const open of sockets) open.destroy();
    });
  }
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
};
const socketsOfTests = new WeakMap<TestContext, Set<Socket>>();

/** An upstream on a free port. */
export const serve = async (
  t: TestContext,
  handle: (socket: Socket) => void,
  { host = '127.0.0.1', port = 0 }: Partial<Address> = {},
): Promise<Address & { readonly server: Server }> => {
  const isFile = isUnixSocket({ host, port });
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    handle(socket);
  });
  server.listen({ ...toNetOptions({ host, port }), ipv6Only: host.includes(':') });
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { host, port: isFile ? 0 : (server.address() as AddressInfo).port, server };
};

export const echo = (socket: Socket): void => {
  socket.pipe(socket);
};

/**
 * An upstream that accepts nothing and whose queue of connections is full, so that a connect to it times out, until it is
 * woken: then it echoes.
 */
export const deaf = async (t: TestContext): Promise<Address & { wake(): void }> => {
  const script = `const options = { allowHalfOpen: true };
    const s = require('net').createServer(options, (c) => c.on('error', () => {}).pipe(c)).listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
    process.stdout.write(String(s.address().port)); process.kill(process.pid, 'SIGSTOP'); })`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [port] = await once(child.stdout, 'data');
  const address = { host: '127.0.0.1', port: Number(port) };
  for (let isFull = false; !isFull; ) {
    const socket = dial(t, address);
    isFull = !(await Promise.race([once(socket, 'connect').then(() => true), quiet(socket)]));
  }
  return { ...address, wake: () => void child.kill('SIGCONT') };
};

/**
 * A connect on loopback that has not been answered after 300 ms never will be. Where this process was too busy to hear of an
 * answer, it hears of it in the next turns of its event loop.
 */
const quiet = async (socket: Socket): Promise<false> => {
  await new Promise<void>((done) => socket.setTimeout(300, () => done()));
  for (let turns = 0; turns < 2; turns += 1) await new Promise((done) => setImmediate(done));
  return false;
};

/**
 * A port that stays free until the test uses it. It is below the ports that systems give to connections and to listeners
 * on port 0, so only another test could take it meanwhile. The same UDP port, which this process keeps to its end, says to
 * the other test processes that it is taken.
 */
export const freePort = async (host = '127.0.0.1'): Promise<number> => {
  for (;;) {
    const port = randomInt(MIN_FREE_PORT, MAX_FREE_PORT);
    if ((await reserve(port)) && (await canListen(host, port))) return port;
  }
};

/** Linux gives connections the ports from 32768 on by default (ip(7)), macOS and Windows those from 49152 on. */
const MAX_FREE_PORT = 32_768;
const MIN_FREE_PORT = 10_000;

const reserve = async (port: number): Promise<boolean> => {
  const socket = createSocket('udp4').unref();
  return new Promise((done) => {
    socket.once('error', () => {
      socket.close();
      done(false);
    });
    socket.bind({ port, exclusive: true }, () => done(true));
  });
};

const canListen = async (host: string, port: number): Promise<boolean> => {
  const server = createServer();
  return new Promise((done) => {
    server.once('error', () => done(false));
    server.listen({ host, port }, () => server.close(() => done(true)));
  });
};

/** Writes `size` bytes as fast as the socket takes them, then sends FIN. `bytes` counts the bytes so far. */
export const pump = (socket: Socket, chunk: Buffer, size: number): { readonly bytes: number } => {
  const state = { bytes: 0 };
  const next = (): void => {
    while (state.bytes < size) {
      state.bytes += chunk.length;
      if (!socket.write(chunk)) {
        socket.once('drain', next);
        return;
      }
    }
    socket.end();
  };
  socket.once('connect', next);
  return state;
};

/** Reads everything until the peer's FIN; rejects when the connection is reset. */
export const readAll = async (socket: Socket): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

/** Reads exactly the next `bytes` bytes. */
export const readBytes = (socket: Socket, bytes: number): Promise<Buffer> =>
  new Promise((done, fail) => {
    const take = (): void => {
      const chunk = socket.read(bytes) as Buffer | null;
      if (chunk === null) return;
      socket.off('readable', take);
      done(chunk);
    };
    socket
      .on('readable', take)
      .once('error', fail)
      .once('close', () => fail(new Error('closed too early')));
    take();
  });

/** How the connection ended for this socket. */
export const ending = (socket: Socket): Promise<'FIN' | string> =>
  new Promise((done) => {
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'error'));
    socket.once('end', () => done(wasReset(socket) ? 'ECONNRESET' : 'FIN'));
    socket.resume();
  });

/** libuv reports a reset that it finds together with the last data as an end (docs/decisions.md: ADR-0004). */
const wasReset = (socket: Socket): boolean => {
  const isTcp = socket.localAddress !== undefined;
  Object.assign(socket, { _peername: undefined });
  return isTcp && !socket.writableEnded && socket.remoteAddress === undefined;
};
