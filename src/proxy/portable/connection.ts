import type { Socket } from 'node:net';
import { type Address, formatAddress } from '../../lib/address.ts';
import { type CloseReason, connectErrorReason } from '../../lib/close-reason.ts';
import type { Connection, ConnectionContext } from '../admission.ts';
import type { Policy } from '../engine.ts';
import { connectTo } from './connect.ts';
import { type DialResult, dial, type RetryGate } from './dial.ts';
import { reset, resetAfterDelivery, wasReset } from './reset.ts';
import { addressPair, formatLocalAddress } from './socket-addresses.ts';

/**
 * Both ends of the clients' connections, and of those to the upstream, the client's end first: one that is in
 * both sets came back. One end would not do: the system gives a local port to many connections at a time.
 */
export interface AddressPairs {
  readonly incoming: Set<string>;
  readonly outgoing: Set<string>;
}

/** One client, from accept to its record. */
export const createConnection = (
  client: Socket,
  from: Address,
  context: ConnectionContext,
  { incoming, outgoing }: AddressPairs,
  gate: RetryGate,
): Connection => {
  const { policy } = context;
  const acceptedAt = performance.now();
  const dialAbort = new AbortController();
  let upstream: Socket | undefined;
  let dialResult: DialResult<Socket> | undefined;
  let outcome: { readonly reason: CloseReason; readonly code: string | null } | undefined;
  let isFinished = false;
  const pair = `${formatAddress(from)} ${formatLocalAddress(client)}`;
  incoming.add(pair);

  const bytes = (): { toUpstream: number; toClient: number } => ({
    toUpstream: upstream?.bytesWritten ?? 0,
    toClient: client.bytesWritten,
  });

  const finish = (): void => {
    if (isFinished || !client.closed || (upstream && !upstream.closed)) return;
    isFinished = true;
    incoming.delete(pair);
    const { reason, code } = outcome ?? { reason: 'done', code: null };
    const active = context.remove(connection);
    context.onEnd({
      client: from,
      upstream: dialResult?.address ?? null,
      isConnected: dialResult?.ok ?? false,
      reason,
      code,
      tries: dialResult?.tries ?? 0,
      bytesToUpstream: bytes().toUpstream,
      bytesToClient: bytes().toClient,
      holdMs: Math.round(dialResult?.holdMs ?? performance.now() - acceptedAt),
      connectMs: Math.round(dialResult?.connectMs ?? 0),
      totalMs: Math.round(performance.now() - acceptedAt),
      active,
    });
  };

  /** The first reason counts. With a `source`, the side that was reset, what it had sent is delivered first. */
  const end = (reason: CloseReason, code: string | null = null, source?: Socket): void => {
    const isFirst = outcome === undefined;
    outcome ??= { reason, code };
    dialAbort.abort();
    const sink = source === client ? upstream : client;
    if (isFirst && source && sink) resetAfterDelivery(sink, source, policy);
    else if (!source) for (const socket of [client, upstream]) if (socket) reset(socket);
    source?.destroy();
  };

  /** Before the relay: 'readable' reads ahead, bounded, and so notices a client that leaves. */
  const checkClientGone = (): void => {
    if (client.readableLength > 0) return;
    if (client.readableEnded) end('client_gone');
    else client.read(0);
  };

  const serve = async (): Promise<void> => {
    let isWaiting = false;
    dialResult = await dial(
      policy.upstream,
      (address, signal) => connectTo(address, policy, outgoing, signal),
      {
        gate,
        holdMs: policy.holdMs,
        signal: dialAbort.signal,
        isOwnListener: context.isOwnListener,
        preferredAddress: context.preferredAddress,
        onConnectFailure: context.onConnectFailure,
        mayWait: () => {
          isWaiting = context.mayWait();
          if (isWaiting) context.onWaitingChange(1);
          return isWaiting;
        },
      },
    );
    if (isWaiting) context.onWaitingChange(-1);
    client.off('readable', checkClientGone).off('end', checkClientGone);
    if (!dialResult.ok) end(connectErrorReason(dialResult.code), dialResult.code);
    else if (outcome) reset(dialResult.socket);
    else onConnected(dialResult.socket, dialResult.address);
  };

  const onConnected = (socket: Socket, address: Address): void => {
    upstream = socket;
    socket.once('close', finish);
    socket.on('error', (error: NodeJS.ErrnoException) => end('upstream_reset', error.code ?? null, socket));
    if (socket.destroyed) end('upstream_reset');
    else if (incoming.has(addressPair(socket, address))) end('loop');
    else {
      context.onOpen(from, address);
      relay(client, socket, policy, end);
    }
  };

  client.on('readable', checkClientGone).once('end', checkClientGone).once('close', finish);
  client.on('error', (error: NodeJS.ErrnoException) => end('client_reset', error.code ?? null, client));
  const connection: Connection = {
    serve: () => void serve(),
    abort: end,
    bytes,
    isLoop: () => outgoing.has(pair),
  };
  return connection;
};

/** Both directions by `pipe`, which does the back-pressure; a FIN is passed on after the data. */
const relay = (client: Socket, upstream: Socket, policy: Policy, end: EndConnection): void => {
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
type EndConnection = (reason: CloseReason, code?: string | null, source?: Socket) => void;
