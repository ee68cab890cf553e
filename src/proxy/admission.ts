import { type Address, isLoopback } from '../lib/address.ts';
import type { CloseReason } from '../lib/close-reason.ts';
import { isCovered } from '../lib/listen-spec.ts';
import { createAllowList } from './allow-list.ts';
import { type CheckAnnouncement, type CheckSource, createExpectedChecks } from './announced-checks.ts';
import { type ConnectionSlots, createConnectionSlots } from './connection-slots.ts';
import type { Connection, ConnectionRecord, EngineHooks, Policy } from './engine.ts';
import { connectionLimits } from './fd-budget.ts';

/** The context that the connections of one port share. */
export interface ConnectionContext {
  readonly policy: Policy;
  /** True when this is the monitor's check: it takes a client's path, but is not counted, held, queued or logged. */
  readonly isCheck: boolean;
  isOwnListener(address: Address): boolean;
  /** The address of the upstream that answered last. */
  preferredAddress(): Address | undefined;
  /** Called for each failed try at an address. @param code the system's error code */
  onConnectFailure(code: string): void;
  /** True when one more client may wait for the upstream; `onWaitingChange(1)` follows when it does. */
  mayWait(): boolean;
  /** One client more, or one fewer, waits for the upstream. */
  onWaitingChange(change: 1 | -1): void;
  onOpen(client: Address, upstream: Address): void;
  /** Removes a connection that has ended. @returns how many connections still have a slot */
  remove(connection: Connection): number;
  /** Called after {@link ConnectionContext.remove}: takes the record, then serves a client that waits for the slot. */
  onEnd(record: ConnectionRecord): void;
}

/** Makes an engine's connections. `S` is the type of an accepted client: a socket, or a file descriptor. */
export interface ConnectionFactory<S> {
  create(socket: S, from: Address, context: ConnectionContext): Connection;
  /** Ends the monitor's accept check: the end tells the monitor that this process accepts. */
  answerCheck(socket: S): void;
  listenAddresses(): readonly Address[];
  onConnectFailure(code: string): void;
}

export interface Admission<S> {
  /** @param from its host is empty when the client has left already */
  accept(socket: S, from: Address): void;
  expectCheck(check: CheckAnnouncement): void;
  retractCheck(source: CheckSource): void;
  setLocalAddresses(addresses: readonly string[]): void;
  /** The clients' connections that have not ended; checks are not among them. */
  readonly connections: ReadonlySet<Connection>;
  counts(): AdmissionCounts;
  /** Resets every connection that has not ended, checks included. */
  abort(reason: CloseReason): void;
}

export interface AdmissionCounts {
  readonly active: number;
  readonly total: number;
  readonly waitingForUpstream: number;
  readonly waitingForSlot: number;
  readonly maxConnections: number;
}

/** Decides for each client of one port whether it is refused, waits, or is served. */
export const createAdmission = <S>(
  policy: Policy,
  hooks: Pick<EngineHooks, 'onOpen' | 'onEnd'>,
  factory: ConnectionFactory<S>,
  now = () => performance.now(),
): Admission<S> => {
  const { maxConnections, maxHeld } = connectionLimits(policy);
  let localAddresses: readonly string[] = LOOPBACK_ADDRESSES;
  const isAllowed = createAllowList(policy.allow, () => localAddresses);
  const isLocal = (host: string): boolean => isLoopback(host) || localAddresses.includes(host);
  const expectedChecks = createExpectedChecks(isLocal, now);
  const connections = new Set<Connection>();
  const openChecks = new Set<Connection>();
  const slots = createConnectionSlots(maxConnections, maxHeld);
  let total = 0;

  const clientContext = createClientContext({
    policy,
    hooks,
    slots,
    connections,
    isOwnListener: (address) => isCovered(factory.listenAddresses(), address, localAddresses),
    onConnectFailure: factory.onConnectFailure,
  });
  const checkContext = createCheckContext(clientContext, openChecks);

  const refusalFor = (connection: Connection, from: Address): CloseReason | undefined => {
    if (connection.isLoop()) return 'loop';
    if (from.host === '') return 'client_gone';
    if (!isAllowed(from.host)) return 'not_allowed';
    return slots.isFull() ? 'too_many' : undefined;
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
      const refusal = refusalFor(connection, from);
      if (refusal) connection.abort(refusal);
      else slots.add(connection);
    },
    expectCheck: expectedChecks.add,
    retractCheck: expectedChecks.retract,
    setLocalAddresses: (addresses) => {
      localAddresses = addresses;
    },
    counts: () => ({
      active: slots.active(),
      total,
      waitingForUpstream: slots.waitingForUpstream(),
      waitingForSlot: slots.waitingForSlot(),
      maxConnections,
    }),
    abort: (reason) => {
      for (const connection of [...connections, ...openChecks]) connection.abort(reason);
    },
  };
};

const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1'];

interface ClientContextDeps {
  readonly policy: Policy;
  readonly hooks: Pick<EngineHooks, 'onOpen' | 'onEnd'>;
  readonly slots: ConnectionSlots;
  readonly connections: Set<Connection>;
  isOwnListener(address: Address): boolean;
  onConnectFailure(code: string): void;
}

const createClientContext = ({
  policy,
  hooks,
  slots,
  connections,
  isOwnListener,
  onConnectFailure,
}: ClientContextDeps): ConnectionContext => {
  let lastConnectedAddress: Address | undefined;
  return {
    policy,
    isCheck: false,
    isOwnListener,
    preferredAddress: () => lastConnectedAddress,
    onConnectFailure,
    mayWait: slots.mayWait,
    onWaitingChange: slots.onWaitingChange,
    onOpen: (client, upstream) => {
      lastConnectedAddress = upstream;
      hooks.onOpen?.(client, upstream);
    },
    remove: (connection) => {
      connections.delete(connection);
      return slots.remove(connection);
    },
    onEnd: (record) => {
      hooks.onEnd(record);
      slots.serveNext();
    },
  };
};

/** A check dials as a client does, and leaves no trace in counts, slots and records. */
const createCheckContext = (
  { policy, isOwnListener, preferredAddress }: ConnectionContext,
  openChecks: Set<Connection>,
): ConnectionContext => ({
  policy,
  isCheck: true,
  isOwnListener,
  preferredAddress,
  onConnectFailure: () => {},
  mayWait: () => false,
  onWaitingChange: () => {},
  onOpen: () => {},
  remove: (connection) => {
    openChecks.delete(connection);
    return 0;
  },
  onEnd: () => {},
});
