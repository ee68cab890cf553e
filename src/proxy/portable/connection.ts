import { connect as netConnect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, canonicalHost, endpoint, formatAddress, isUnix } from '../../lib/address.ts';
import { dialReason, type Reason } from '../../lib/close-reason.ts';
import { unsentBytes } from '../../system/proc/socket-table.ts';
import type { Connection, Port } from '../admission.ts';
import type { Policy } from '../engine.ts';
import { type Connected, type Dialled, dial, type Gate } from './dial.ts';

/** 30 s of silence, then probes: a vanished peer is found, and NAT entries stay. */
export const KEEPALIVE_MS = 30_000;
/** One direction of one connection buffers at most about this much here. */
export const HIGH_WATER_BYTES = 65_536;

/**
 * Both ends of the clients' connections, and of those to the upstream, the client's end first: one that is in
 * both sets came back. One end would not do: the system gives a local port to many connections at a time.
 */
export interface Ends {
  readonly incoming: Set<string>;
  readonly outgoing: Set<string>;
}

/** One client, from accept to its record. */
export const openConnection = (
  client: Socket,
  from: Address,
  port: Port,
  { incoming, outgoing }: Ends,
  gate: Gate,
): Connection => {
  const { policy } = port;
  const acceptedAt = performance.now();
  const leaving = new AbortController();
  let upstream: Socket | undefined;
  let dialled: Dialled<Socket> | undefined;
  let why: { readonly reason: Reason; readonly code: string | null } | undefined;
  let isFinished = false;
  const key = `${formatAddress(from)} ${localEnd(client)}`;
  incoming.add(key);

  const bytes = (): { toUpstream: number; toClient: number } => ({
    toUpstream: upstream?.bytesWritten ?? 0,
    toClient: client.bytesWritten,
  });

  const finish = (): void => {
    if (isFinished || !client.closed || (upstream && !upstream.closed)) return;
    isFinished = true;
    incoming.delete(key);
    const { reason, code } = why ?? { reason: 'done', code: null };
    const active = port.remove(connection);
    port.onEnd({
      client: from,
      upstream: dialled?.address ?? null,
      isConnected: dialled?.ok ?? false,
      reason,
      code,
      tries: dialled?.tries ?? 0,
      bytesToUpstream: bytes().toUpstream,
      bytesToClient: bytes().toClient,
      holdMs: Math.round(dialled?.holdMs ?? performance.now() - acceptedAt),
      connectMs: Math.round(dialled?.connectMs ?? 0),
      totalMs: Math.round(performance.now() - acceptedAt),
      active,
    });
  };

  /** The first reason counts. With a `source`, the side that was reset, what it had sent is delivered first. */
  const end = (reason: Reason, code: string | null = null, source?: Socket): void => {
    const isFirst = why === undefined;
    why ??= { reason, code };
    leaving.abort();
    const sink = source === client ? upstream : client;
    if (isFirst && source && sink) resetAfterDelivery(sink, source, policy);
    else if (!source) for (const socket of [client, upstream]) if (socket) reset(socket);
    source?.destroy();
  };

  /** Before the relay: 'readable' reads ahead, bounded, and so notices a client that leaves. */
  const notice = (): void => {
    if (client.readableLength > 0) return;
    if (client.readableEnded) end('client_gone');
    else client.read(0);
  };

  const serve = async (): Promise<void> => {
    let isHeld = false;
    dialled = await dial(policy.upstream, (address, signal) => connectTo(address, policy, outgoing, signal), {
      gate,
      holdMs: policy.holdMs,
      signal: leaving.signal,
      isOwnListener: port.isOwnListener,
      preferred: port.preferred,
      onFailure: port.onFailure,
      mayHold: () => {
        isHeld = port.mayHold();
        if (isHeld) port.onHeld(1);
        return isHeld;
      },
    });
    if (isHeld) port.onHeld(-1);
    client.off('readable', notice).off('end', notice);
    if (!dialled.ok) end(dialReason(dialled.code), dialled.code);
    else if (why) reset(dialled.socket);
    else open(dialled.socket, dialled.address);
  };

  const open = (socket: Socket, address: Address): void => {
    upstream = socket;
    socket.once('close', finish);
    socket.on('error', (error: NodeJS.ErrnoException) => end('upstream_reset', error.code ?? null, socket));
    if (socket.destroyed) end('upstream_reset');
    else if (incoming.has(bothEnds(socket, address))) end('loop');
    else {
      port.onOpen(from, address);
      relay(client, socket, policy, end);
    }
  };

  client.on('readable', notice).once('end', notice).once('close', finish);
  client.on('error', (error: NodeJS.ErrnoException) => end('client_reset', error.code ?? null, client));
  const connection: Connection = {
    serve: () => void serve(),
    abort: end,
    bytes,
    isLoop: () => outgoing.has(key),
  };
  return connection;
};

/** Both directions by `pipe`, which does the back-pressure; a FIN is passed on after the data. */
const relay = (client: Socket, upstream: Socket, policy: Policy, end: End): void => {
  let isHalfClosed = false;
  for (const [source, sink, reason] of [
    [client, upstream, 'client_reset'],
    [upstream, client, 'upstream_reset'],
  ] as const) {
    source.once('end', () => {
      if (wasReset(source)) return end(reason, 'ECONNRESET', source);
      isHalfClosed = true;
      client.setTimeout(policy.halfCloseTimeoutMs);
      sink.end();
    });
    source.pipe(sink, { end: false });
  }
  // The client's timer hears both directions: what it sends, and what is written to it.
  client.setTimeout(policy.idleTimeoutMs);
  client.on('timeout', () => end(isHalfClosed ? 'half_close_timeout' : 'idle_timeout'));
};

const bothEnds = (socket: Socket, address: Address): string =>
  `${localEnd(socket)} ${formatAddress(address)}`;

/**
 * In `outgoing` from before the other end can be accepted (connect(2) is called in Node's next tick) until it
 * surely has been: a loop whose first connection was cut would otherwise go on by itself.
 */
const rememberEnds = (socket: Socket, address: Address, outgoing: Set<string>): void => {
  process.nextTick(() => {
    const own = bothEnds(socket, address);
    outgoing.add(own);
    socket.once('close', () => setTimeout(() => outgoing.delete(own), FORGET_ENDS_MS).unref());
  });
};

const FORGET_ENDS_MS = 1_000;

const endsOf = ({
  localAddress = '',
  localPort = 0,
  remoteAddress = '',
  remotePort = 0,
}: Socket): [Address, Address] => [
  { host: canonicalHost(localAddress), port: localPort },
  { host: canonicalHost(remoteAddress), port: remotePort },
];

const localEnd = ({ localAddress = '', localPort = 0 }: Socket): string =>
  formatAddress({ host: canonicalHost(localAddress), port: localPort });

type End = (reason: Reason, code?: string | null, source?: Socket) => void;

/**
 * libuv reports a reset that it finds together with the last data as an end. The kernel then has no peer any more
 * (getpeername(2): ENOTCONN); Node keeps the peer's address, so it is made to ask again. After this side's own FIN
 * an orderly end has no peer either, and the two cannot be told apart (docs/decisions.md: a reset is not an end).
 */
const wasReset = (socket: Socket): boolean => {
  if (socket.writableEnded || isUnixSocket(socket)) return false;
  Object.assign(socket, { _peername: undefined });
  return socket.remoteAddress === undefined;
};

/** A unix socket has no reset: its peer sees an end (docs/decisions.md: unix sockets). */
const reset = (socket: Socket): void => {
  if (isUnixSocket(socket)) socket.destroy();
  else socket.resetAndDestroy();
};

/** A TCP socket has its own address as long as it is open. */
const isUnixSocket = (socket: Socket): boolean => socket.localAddress === undefined;

/** A reset overtakes what the kernel has not sent yet: wait for that, but not for long. */
const MOST_DELIVERY_MS = 500;
/** The pause doubles from here: a look reads the system's whole table of connections, if outside the event loop. */
const FIRST_DELIVERY_LOOK_MS = 10;

/**
 * Resets `sink` because `source` was reset, once all that `source` had sent is on the wire: what is still in
 * the streams is written first (for as long as the reader goes on reading), then the kernel gets up to 500 ms to
 * send its queue. What may be lost: bytes that the peer's kernel has not taken by then.
 */
const resetAfterDelivery = (sink: Socket, source: Socket, { halfCloseTimeoutMs }: Policy): void => {
  source.unpipe(sink);
  sink.unpipe(source);
  const rest = source.read() as Buffer | null;
  const [local, remote] = endsOf(sink);
  const onFlushed = async (): Promise<void> => {
    const giveUpAt = performance.now() + MOST_DELIVERY_MS;
    for (let pauseMs = FIRST_DELIVERY_LOOK_MS; performance.now() < giveUpAt; pauseMs *= 2) {
      await sleep(pauseMs);
      if (sink.destroyed || isUnixSocket(sink) || !(await unsentBytes(local, remote))) break;
    }
    if (!sink.destroyed) reset(sink);
  };
  if (rest === null && sink.bytesWritten === 0) reset(sink);
  else if (!sink.writableEnded) sink.write(rest ?? '', () => void onFlushed());
  else if (sink.writableFinished) void onFlushed();
  else sink.once('finish', () => void onFlushed());
  sink.setTimeout(halfCloseTimeoutMs, () => reset(sink));
};

const connectTo = (
  address: Address,
  { connectTimeoutMs }: Policy,
  outgoing: Set<string>,
  signal: AbortSignal,
): Promise<Connected<Socket>> =>
  new Promise((done) => {
    const options = { ...endpoint(address), allowHalfOpen: true, highWaterMark: HIGH_WATER_BYTES };
    const socket = netConnect({
      ...options,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MS,
    });
    rememberEnds(socket, address, outgoing);
    let settled = false;
    const settle = (code?: string): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      // resetAndDestroy() would wait for the connection first.
      if (code !== undefined) socket.connecting ? socket.destroy() : reset(socket);
      done(code === undefined ? { ok: true, socket } : { ok: false, code });
    };
    const onAbort = (): void => settle('ECANCELED');
    const timer = setTimeout(() => settle('ETIMEDOUT'), connectTimeoutMs);
    signal.addEventListener('abort', onAbort);
    socket.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'EUNKNOWN'));
    socket.once('connect', () => {
      // A dead port of the ephemeral range can connect to itself.
      const [local, remote] = endsOf(socket).map(formatAddress);
      settle(local === remote && !isUnix(address) ? 'ESELF' : undefined);
    });
    if (signal.aborted) onAbort();
  });
