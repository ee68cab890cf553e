import { connect, type Socket } from 'node:net';
import { type Address, isUnixSocket, toNetOptions } from '../../lib/address.ts';
import type { ConnectionContext } from '../admission.ts';
import { Dial, type DialContext, type DialOwner } from '../connection/dial.ts';
import type { SelfConnectGuard } from '../connection/self-connect-guard.ts';
import type { Candidate } from '../connection/upstream-addresses.ts';
import { localAddressOf } from './socket-addresses.ts';
import { SOCKET_OPTIONS } from './socket-side.ts';

/** What the dials of a port share. */
export interface DialerContext extends DialContext<Candidate> {
  readonly guard: SelfConnectGuard;
}

export interface DialerOwner extends DialOwner {
  onDialed(socket: Socket, address: Address): void;
}

/** Dials with node:net. */
export class Dialer extends Dial<Candidate> {
  readonly #shared: DialerContext;
  readonly #owner: DialerOwner;
  #socket: Socket | undefined;

  constructor(shared: DialerContext, context: ConnectionContext, owner: DialerOwner) {
    super(shared, context, owner);
    this.#shared = shared;
    this.#owner = owner;
  }

  protected override connect({ address }: Candidate): undefined {
    const socket = connect({ ...toNetOptions(address), ...SOCKET_OPTIONS });
    this.#socket = socket;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (socket === this.#socket) this.onAttemptFailed(error.code ?? 'EUNKNOWN');
    });
    socket.once('connect', () => {
      if (socket === this.#socket) this.#onConnect(socket, address);
    });
    this.#rememberDial(socket, address);
  }

  /** A connect that is given up is reset, as the upstream may have accepted it. Node.js resets it when it is there. */
  protected override disconnect(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    if (this.address && isUnixSocket(this.address)) socket.destroy();
    else socket.resetAndDestroy();
    if (socket.connecting) setTimeout(() => socket.destroy(), ABANDONED_FOR_MS).unref();
  }

  protected override handOver(address: Address): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket) this.#owner.onDialed(socket, address);
  }

  #onConnect(socket: Socket, address: Address): void {
    // A connect to a port of the ephemeral range that nobody listens on can get that very port, and reach itself.
    const local = localAddressOf(socket);
    if (local && local.port === address.port && local.host === address.host) this.onAttemptFailed('ESELF');
    else this.onAttemptSucceeded();
  }

  /** Node.js calls connect(2) in the next tick, before the other end can be accepted. */
  #rememberDial(socket: Socket, address: Address): void {
    const { guard, timers } = this.#shared;
    if (guard.isNeededFor(address))
      process.nextTick(() => guard.onDialed(localAddressOf(socket), address, timers.now));
  }
}

/** A connect that was given up and has not come about after this time is closed without a reset. */
const ABANDONED_FOR_MS = 1_000;
