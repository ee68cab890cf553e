import type { Socket } from 'node:net';
import type { Address } from '../../lib/address.ts';
import type { ConnectionContext } from '../admission.ts';
import { ConnectionLifecycle, type ConnectionShared } from '../connection/lifecycle.ts';
import { Dialer, type DialerContext, type DialerOwner } from './dialer.ts';
import { localAddressOf } from './socket-addresses.ts';
import { KEEPALIVE_DELAY_MS, SocketSide } from './socket-side.ts';

/** The context that the connections of a port share. */
export interface SharedContext extends DialerContext, ConnectionShared {}

/** The life of a connection on two sockets of node:net. */
export class PortableConnection extends ConnectionLifecycle<SocketSide> implements DialerOwner {
  protected readonly client: SocketSide;
  readonly #shared: SharedContext;

  constructor(socket: Socket, clientAddress: Address, context: ConnectionContext, shared: SharedContext) {
    const localAddress = localAddressOf(socket);
    const isGuarded = shared.guard.isNeededFor(context.policy.upstream);
    super(clientAddress, isGuarded ? localAddress : undefined, context, shared);
    this.#shared = shared;
    this.client = new SocketSide(socket, localAddress, clientAddress);
    this.#watch(this.client);
    this.client.readAhead();
  }

  onDialed(socket: Socket, address: Address): void {
    const localAddress = localAddressOf(socket);
    const upstream = new SocketSide(socket, localAddress, address);
    this.#watch(upstream);
    const isGuarded = this.#shared.guard.isNeededFor(address);
    this.onConnected(upstream, address, isGuarded ? localAddress : undefined);
    if (this.isFinished) return;
    this.pump(upstream, this.client);
    this.pump(this.client, upstream);
  }

  protected override createDial(): Dialer {
    return new Dialer(this.#shared, this.context, this);
  }

  protected override hasClientLeft(): boolean {
    return this.client.hasEnded && !this.client.hasUnread;
  }

  /** Reads a chunk, and the next one when that is in the kernel: this is the back-pressure. */
  protected override pump(from: SocketSide, to: SocketSide): void {
    if (from.isForwardingDone || from.isWriting || this.isFinished) return;
    const chunk = from.take();
    if (chunk === null) {
      if (from.hasEnded || from.isReset) this.onEnd(from, to);
      else from.ask();
      return;
    }
    to.socket.write(chunk);
    if (to.socket.writableLength === 0) return this.#onWritten(from, to, chunk.length);
    from.isWriting = true;
    to.socket.once('drain', () => {
      from.isWriting = false;
      this.#onWritten(from, to, chunk.length);
    });
  }

  protected override pumpRest(from: SocketSide, to: SocketSide): void {
    this.pump(from, to);
  }

  /** The streams drop what they have when they are closed. */
  protected override drop(): void {}

  protected override sendEnd({ socket }: SocketSide): void {
    socket.end();
  }

  protected override isFlushed(to: SocketSide): Promise<boolean> {
    return to.isFlushed();
  }

  protected override enableKeepAlive({ socket, isUnix }: SocketSide): void {
    if (!isUnix) socket.setKeepAlive(true, KEEPALIVE_DELAY_MS);
  }

  protected override close(side: SocketSide, how: 'reset' | 'orderly'): void {
    if (how === 'orderly') side.socket.destroy();
    else side.reset();
  }

  #onWritten(from: SocketSide, to: SocketSide, bytes: number): void {
    if (this.isFinished) return;
    from.movedBytes += bytes;
    this.onMoved(from, bytes);
    this.pump(from, to);
  }

  #watch(side: SocketSide): void {
    const { socket } = side;
    socket.on('readable', () => this.#onReadable(side));
    socket.once('end', () => {
      side.hasEnded = true;
      this.#onReadable(side);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => this.#onError(side, error.code ?? 'EUNKNOWN'));
  }

  #onReadable(side: SocketSide): void {
    const { upstream } = this;
    if (this.isFinished) return;
    if (upstream) this.pump(side, side === this.client ? upstream : this.client);
    else if (side.hasEnded) this.onClientLeft();
    else side.readAhead();
  }

  #onError(side: SocketSide, code: string): void {
    const { upstream } = this;
    if (this.isFinished) return;
    if (upstream) this.onFailure(side, side === this.client ? upstream : this.client, code);
    else this.onClientFailure(code);
  }
}
