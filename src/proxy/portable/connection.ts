import type { Socket } from 'node:net';
import { type Address, formatAddress } from '../../lib/address.ts';
import { dialReason, type Reason } from '../../lib/close-reason.ts';
import type { Connection, Port } from '../admission.ts';
import type { Policy } from '../engine.ts';
import { connectTo } from './connect.ts';
import { type Dialled, dial, type Gate } from './dial.ts';
import { reset, resetAfterDelivery, wasReset } from './reset.ts';
import { bothEnds, localEnd } from './socket-addresses.ts';

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
type End = (reason: Reason, code?: string | null, source?: Socket) => void;
