import { connect as netConnect, type Socket } from 'node:net';
import { type Address, formatAddress } from '../../core/address.ts';
import { dialReason, type Reason } from '../../core/reasons.ts';
import { type Connected, type Dialled, dial } from '../dial.ts';
import type { ConnectionRecord, Policy } from '../engine.ts';

/** 30 s of silence, then probes: a vanished peer is found, NAT entries stay (issue 3). */
export const KEEPALIVE_MS = 30_000;
/** One direction of one connection buffers at most about this much here. */
export const HIGH_WATER_BYTES = 65_536;

/** "host:port" of the clients, and of this proxy's own ends towards the upstream: one in both is a loop. */
export interface Ends {
  readonly incoming: Set<string>;
  readonly outgoing: Set<string>;
}

export interface Surroundings {
  readonly policy: Policy;
  readonly counts: { active: number; total: number; held: number };
  readonly ends: Ends;
  isOwnListener(address: Address): boolean;
  onEnd(record: ConnectionRecord): void;
}

/** One client, from accept to its record: dial, relay, end. `abort` resets it (the end of a drain). */
export const serveClient = (
  client: Socket,
  from: Address,
  refusal: Reason | undefined,
  around: Surroundings,
): { abort(): void } => {
  const startedAt = performance.now();
  const { counts, policy } = around;
  const leaving = new AbortController();
  let upstream: Socket | undefined;
  let dialled: Dialled<Socket> | undefined;
  let dialMs = 0;
  let ended: { reason: Reason; code: string | null } | undefined;

  counts.total += 1;
  counts.active += 1;
  around.ends.incoming.add(formatAddress(from));

  const end = (reason: Reason, code: string | null = null): void => {
    if (ended) return;
    ended = { reason, code };
    leaving.abort();
    around.ends.incoming.delete(formatAddress(from));
    if (reason !== 'done') for (const socket of [client, upstream]) socket?.resetAndDestroy();
    counts.active -= 1;
    around.onEnd({
      client: from,
      upstream: dialled?.address ?? null,
      reason,
      code,
      tries: dialled?.tries ?? 0,
      bytesToUpstream: upstream?.bytesWritten ?? 0,
      bytesToClient: client.bytesWritten,
      dialMs: Math.round(dialMs),
      totalMs: Math.round(performance.now() - startedAt),
      active: counts.active,
    });
  };

  const run = async (): Promise<void> => {
    // 'readable' reads ahead into the socket's own bounded buffer, which is what notices a client that leaves.
    const notice = (): void => {
      if (client.readableLength === 0 && client.readableEnded) end('client_gone');
      else if (client.readableLength === 0) client.read(0);
    };
    client.on('readable', notice).once('end', notice);
    counts.held += 1;
    dialled = await dial(
      policy.upstream,
      (address, signal) => connectTo(address, policy.connectTimeoutMs, signal),
      {
        holdMs: policy.holdMs,
        isOwnListener: around.isOwnListener,
        signal: leaving.signal,
      },
    );
    counts.held -= 1;
    dialMs = performance.now() - startedAt;
    client.off('readable', notice).off('end', notice);
    if (ended) {
      if (dialled.ok) dialled.socket.destroy();
    } else if (!dialled.ok) {
      end(dialReason(dialled.code), dialled.code);
    } else {
      upstream = dialled.socket;
      relay(client, upstream, policy, around.ends, end);
    }
  };

  client.on('error', (error: NodeJS.ErrnoException) => end('client_reset', error.code ?? null));
  if (refusal) queueMicrotask(() => end(refusal));
  else void run();
  return { abort: () => end('drained') };
};

/** Both directions by `pipe`: back-pressure, and FIN passed on after the data. */
const relay = (
  client: Socket,
  upstream: Socket,
  policy: Policy,
  ends: Ends,
  end: (reason: Reason, code?: string | null) => void,
): void => {
  const own = formatAddress({ host: upstream.localAddress ?? '', port: upstream.localPort ?? 0 });
  const broken = upstream.destroyed ? 'upstream_reset' : ends.incoming.has(own) ? 'loop' : undefined;
  if (broken) {
    end(broken);
    return;
  }
  ends.outgoing.add(own);
  let open = 2;
  let halfClosed = false;
  const onClose = (): void => {
    open -= 1;
    if (open === 0) end('done');
  };
  upstream.on('error', (error: NodeJS.ErrnoException) => end('upstream_reset', error.code ?? null));
  upstream.once('close', () => ends.outgoing.delete(own));
  for (const [source, sink] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    source.once('close', onClose);
    source.once('end', () => {
      halfClosed = true;
      client.setTimeout(policy.halfCloseTimeoutMs);
    });
    source.pipe(sink);
  }
  client.setTimeout(policy.idleTimeoutMs);
  client.on('timeout', () => end(halfClosed ? 'half_close_timeout' : 'idle_timeout'));
};

const connectTo = (address: Address, timeoutMs: number, signal: AbortSignal): Promise<Connected<Socket>> =>
  new Promise((done) => {
    const options = { ...address, allowHalfOpen: true, highWaterMark: HIGH_WATER_BYTES };
    const socket = netConnect({
      ...options,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MS,
    });
    let settled = false;
    const settle = (code?: string): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (code !== undefined) socket.resetAndDestroy();
      done(code === undefined ? { ok: true, socket } : { ok: false, code });
    };
    const onAbort = (): void => settle('ECANCELED');
    const timer = setTimeout(() => settle('ETIMEDOUT'), timeoutMs);
    signal.addEventListener('abort', onAbort);
    socket.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'EUNKNOWN'));
    socket.once('connect', () => {
      // A dead port of the ephemeral range can connect to itself (DESIGN 4.8, the self-connect trap).
      const self = socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
      settle(self ? 'ESELF' : undefined);
    });
    if (signal.aborted) onAbort();
  });
