import type { Socket } from 'node:net';
import { type Address, formatAddress } from '../../lib/address.ts';
import { type CloseReason, connectErrorReason } from '../../lib/close-reason.ts';
import type { ConnectionContext } from '../admission.ts';
import type { Connection, ConnectionRecord } from '../engine.ts';
import { connectTo } from './connect.ts';
import { type DialResult, dial } from './dial.ts';
import { relay } from './relay.ts';
import { reset, resetAfterDelivery } from './reset.ts';
import type { RetryGate } from './retry-gate.ts';
import { addressPair, formatLocalAddress } from './socket-addresses.ts';

/**
 * The address pairs of the clients' connections and of those to the upstream, the client's end first. A connection whose
 * pair is in both sets came back to this proxy. One end of it would not identify it: the system gives one local port to
 * many connections at a time.
 */
export interface AddressPairs {
  readonly incoming: Set<string>;
  readonly outgoing: Set<string>;
}

/** Takes care of one accepted client, until its record is made. */
export const createConnection = (
  client: Socket,
  from: Address,
  context: ConnectionContext,
  pairs: AddressPairs,
  gate: RetryGate,
): Connection => new ClientConnection(client, from, context, pairs, gate);

class ClientConnection implements Connection {
  readonly #client: Socket;
  readonly #from: Address;
  readonly #context: ConnectionContext;
  readonly #pairs: AddressPairs;
  readonly #gate: RetryGate;
  readonly #pair: string;
  readonly #acceptedAt = performance.now();
  readonly #dialAbort = new AbortController();
  #upstream: Socket | undefined;
  #dialResult: DialResult<Socket> | undefined;
  #outcome: { readonly reason: CloseReason; readonly code: string | null } | undefined;
  #isFinished = false;

  constructor(
    client: Socket,
    from: Address,
    context: ConnectionContext,
    pairs: AddressPairs,
    gate: RetryGate,
  ) {
    this.#client = client;
    this.#from = from;
    this.#context = context;
    this.#pairs = pairs;
    this.#gate = gate;
    this.#pair = `${formatAddress(from)} ${formatLocalAddress(client)}`;
    pairs.incoming.add(this.#pair);
    client.on('readable', this.#checkClientGone).once('end', this.#checkClientGone);
    client.once('close', this.#finish);
    client.on('error', (error: NodeJS.ErrnoException) =>
      this.#end('client_reset', error.code ?? null, client),
    );
  }

  serve(): void {
    void this.#serve();
  }

  abort(reason: CloseReason): void {
    this.#end(reason);
  }

  bytes(): { readonly toUpstream: number; readonly toClient: number } {
    return { toUpstream: this.#upstream?.bytesWritten ?? 0, toClient: this.#client.bytesWritten };
  }

  isLoop(): boolean {
    return this.#pairs.outgoing.has(this.#pair);
  }

  /** Notices a client that leaves before the relay begins: a listener of 'readable' reads ahead, at most one buffer. */
  readonly #checkClientGone = (): void => {
    if (this.#client.readableLength > 0) return;
    if (this.#client.readableEnded) this.#end('client_gone');
    else this.#client.read(0);
  };

  async #serve(): Promise<void> {
    const result = await this.#dial();
    this.#dialResult = result;
    this.#client.off('readable', this.#checkClientGone).off('end', this.#checkClientGone);
    if (!result.ok) this.#end(connectErrorReason(result.code), result.code);
    else if (this.#outcome) reset(result.socket);
    else this.#onConnected(result.socket, result.address);
  }

  async #dial(): Promise<DialResult<Socket>> {
    const context = this.#context;
    const { policy } = context;
    let isWaiting = false;
    const result = await dial(
      policy.upstream,
      (address, signal) => connectTo(address, policy, this.#pairs.outgoing, signal),
      {
        gate: this.#gate,
        holdMs: policy.holdMs,
        signal: this.#dialAbort.signal,
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
    return result;
  }

  #onConnected(upstream: Socket, address: Address): void {
    const context = this.#context;
    this.#upstream = upstream;
    upstream.once('close', this.#finish);
    upstream.on('error', (error: NodeJS.ErrnoException) =>
      this.#end('upstream_reset', error.code ?? null, upstream),
    );
    if (upstream.destroyed) this.#end('upstream_reset');
    else if (this.#pairs.incoming.has(addressPair(upstream, address))) this.#end('loop');
    else {
      context.onOpen(this.#from, address);
      relay(this.#client, upstream, context.policy, (reason, code, source) =>
        this.#end(reason, code, source),
      );
    }
  }

  /**
   * Ends both sides. The first reason is the one that is recorded.
   * @param source the side that was reset, if any: what it had sent is delivered before the other side is reset
   */
  #end(reason: CloseReason, code: string | null = null, source?: Socket): void {
    const isFirst = this.#outcome === undefined;
    this.#outcome ??= { reason, code };
    this.#dialAbort.abort();
    const sink = source === this.#client ? this.#upstream : this.#client;
    if (isFirst && source && sink) resetAfterDelivery(sink, source, this.#context.policy);
    else if (!source) for (const socket of [this.#client, this.#upstream]) if (socket) reset(socket);
    source?.destroy();
  }

  /** Makes the record, once both sockets are closed. */
  readonly #finish = (): void => {
    if (this.#isFinished || !this.#client.closed || (this.#upstream && !this.#upstream.closed)) return;
    this.#isFinished = true;
    this.#pairs.incoming.delete(this.#pair);
    const active = this.#context.remove(this);
    this.#context.onEnd(this.#record(active));
  };

  #record(active: number): ConnectionRecord {
    const { reason, code } = this.#outcome ?? { reason: 'done', code: null };
    const { toUpstream, toClient } = this.bytes();
    const dialResult = this.#dialResult;
    const totalMs = performance.now() - this.#acceptedAt;
    return {
      client: this.#from,
      upstream: dialResult?.address ?? null,
      isConnected: dialResult?.ok ?? false,
      reason,
      code,
      tries: dialResult?.tries ?? 0,
      bytesToUpstream: toUpstream,
      bytesToClient: toClient,
      holdMs: Math.round(dialResult?.holdMs ?? totalMs),
      connectMs: Math.round(dialResult?.connectMs ?? 0),
      totalMs: Math.round(totalMs),
      active,
    };
  }
}
