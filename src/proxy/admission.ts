import { type Address, isLoopback } from '../lib/address.ts';
import type { CloseReason } from '../lib/close-reason.ts';
import { isCovered } from '../lib/listen-spec.ts';
import { createAllowList } from './allow-list.ts';
import { createExpectedChecks } from './announced-checks.ts';
import type { ConnectionRecord, EngineHooks, Policy } from './engine.ts';
import { connectionLimits } from './fd-budget.ts';

/** One client of an engine, from accept to its record. */
export interface Connection {
  /** The proxy dialled itself: the client's connection is one of its own. */
  isLoop(): boolean;
  /** Dials the upstream; until then the client waits, its first bytes in the socket's own buffer. */
  serve(): void;
  /** Resets both sides. */
  abort(reason: CloseReason): void;
  /** So far. */
  bytes(): { readonly toUpstream: number; readonly toClient: number };
}

/** What the connections of one port share. */
export interface ConnectionContext {
  readonly policy: Policy;
  /** The monitor's check goes the way of a client, but is not counted, held, queued or told. */
  readonly isCheck: boolean;
  isOwnListener(address: Address): boolean;
  /** The address of the upstream that answered last. */
  preferredAddress(): Address | undefined;
  /** Each failed try at an address, by the system's code. */
  onConnectFailure(code: string): void;
  /** A place for one more client that waits for the upstream; `onHeld(-1)` gives it back. */
  mayWait(): boolean;
  onWaitingChange(change: 1 | -1): void;
  onOpen(client: Address, upstream: Address): void;
  /** It has ended. @returns how many are left, of those that have a place */
  remove(connection: Connection): number;
  /** Then follows its record, and whoever has waited for the place. */
  onEnd(record: ConnectionRecord): void;
}

/** How an engine makes its connections. `S` is what it accepts: a socket, or the number of one. */
export interface ConnectionFactory<S> {
  create(socket: S, from: Address, context: ConnectionContext): Connection;
  /** Ends the monitor's accept check, which learns by it that this process accepts. */
  answerCheck(socket: S): void;
  listenAddresses(): readonly Address[];
  onConnectFailure(code: string): void;
}

export interface Admission<S> {
  /** @param from an empty host: the client has gone already */
  accept(socket: S, from: Address): void;
  expectCheck(localPort: number, forward: boolean): void;
  setLocalAddresses(addresses: readonly string[]): void;
  /** Those that are neither checks nor finished. */
  readonly connections: ReadonlySet<Connection>;
  counts(): AdmissionCounts;
  /** Ends what is still there, checks too. */
  abort(reason: CloseReason): void;
}

export interface AdmissionCounts {
  readonly active: number;
  readonly total: number;
  readonly waitingForUpstream: number;
  readonly waitingForSlot: number;
  readonly maxConnections: number;
}

/** The clients of one port: who may come in, who waits, who is served. */
export const createAdmission = <S>(
  policy: Policy,
  hooks: Pick<EngineHooks, 'onOpen' | 'onEnd'>,
  factory: ConnectionFactory<S>,
  now = () => performance.now(),
): Admission<S> => {
  const { maxConnections, maxHeld } = connectionLimits(policy);
  let localAddresses: readonly string[] = LOOPBACK_ADDRESSES;
  const isAllowed = createAllowList(policy.allow, () => localAddresses);
  const expectedChecks = createExpectedChecks(
    (host) => isLoopback(host) || localAddresses.includes(host),
    now,
  );
  const connections = new Set<Connection>();
  const openChecks = new Set<Connection>();
  const admitted = new Set<Connection>();
  const waitingForSlot = new Set<Connection>();
  let lastConnectedAddress: Address | undefined;
  let [total, waitingForUpstream] = [0, 0];

  const sharedContext = {
    policy,
    preferredAddress: () => lastConnectedAddress,
    isOwnListener: (address: Address) => isCovered(factory.listenAddresses(), address, localAddresses),
  };

  const admit = (connection: Connection): void => {
    admitted.add(connection);
    connection.serve();
  };

  const clientContext: ConnectionContext = {
    ...sharedContext,
    isCheck: false,
    onConnectFailure: factory.onConnectFailure,
    mayWait: () => waitingForUpstream + waitingForSlot.size < maxHeld,
    onWaitingChange: (change) => {
      waitingForUpstream += change;
    },
    onOpen: (client, upstream) => {
      lastConnectedAddress = upstream;
      hooks.onOpen?.(client, upstream);
    },
    remove: (connection) => {
      connections.delete(connection);
      waitingForSlot.delete(connection);
      admitted.delete(connection);
      return admitted.size;
    },
    onEnd: (record) => {
      hooks.onEnd(record);
      if (waitingForSlot.size === 0 || admitted.size >= maxConnections) return;
      const [next] = waitingForSlot;
      if (next && waitingForSlot.delete(next)) admit(next);
    },
  };

  const checkContext: ConnectionContext = {
    ...sharedContext,
    isCheck: true,
    onConnectFailure: () => {},
    mayWait: () => false,
    onWaitingChange: () => {},
    onOpen: () => {},
    remove: (connection) => {
      openChecks.delete(connection);
      return 0;
    },
    onEnd: () => {},
  };

  const refusalFor = (from: Address): CloseReason | undefined => {
    if (from.host === '') return 'client_gone';
    if (!isAllowed(from.host)) return 'not_allowed';
    return admitted.size >= maxConnections && waitingForUpstream + waitingForSlot.size >= maxHeld
      ? 'too_many'
      : undefined;
  };

  const serveCheck = (socket: S, from: Address): void => {
    const connection = factory.create(socket, from, checkContext);
    openChecks.add(connection);
    connection.serve();
  };

  return {
    connections,
    accept: (socket, from) => {
      const announced = expectedChecks.take(from);
      if (announced) return announced.forward ? serveCheck(socket, from) : factory.answerCheck(socket);
      total += 1;
      const connection = factory.create(socket, from, clientContext);
      connections.add(connection);
      const refusal = connection.isLoop() ? 'loop' : refusalFor(from);
      if (refusal) connection.abort(refusal);
      else if (admitted.size < maxConnections) admit(connection);
      else waitingForSlot.add(connection);
    },
    expectCheck: expectedChecks.add,
    setLocalAddresses: (addresses) => {
      localAddresses = addresses;
    },
    counts: () => ({
      active: admitted.size,
      total,
      waitingForUpstream,
      waitingForSlot: waitingForSlot.size,
      maxConnections,
    }),
    abort: (reason) => {
      for (const connection of [...connections, ...openChecks]) connection.abort(reason);
    },
  };
};

const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1'];
