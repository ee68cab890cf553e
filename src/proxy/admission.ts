import { type Address, isLoopback } from '../lib/address.ts';
import type { Reason } from '../lib/close-reason.ts';
import { isCovered } from '../lib/listen-spec.ts';
import { createAllow } from './allow-list.ts';
import { createExpectedChecks } from './announced-checks.ts';
import type { ConnectionRecord, EngineHooks, Policy } from './engine.ts';
import { countPlaces } from './fd-budget.ts';

/** One client of an engine, from accept to its record. */
export interface Connection {
  /** The proxy dialled itself: the client's connection is one of its own. */
  isLoop(): boolean;
  /** Dials the upstream; until then the client waits, its first bytes in the socket's own buffer. */
  serve(): void;
  /** Resets both sides. */
  abort(reason: Reason): void;
  /** So far. */
  bytes(): { readonly toUpstream: number; readonly toClient: number };
}

/** What the connections of one port share. */
export interface Port {
  readonly policy: Policy;
  /** The monitor's check goes the way of a client, but is not counted, held, queued or told. */
  readonly isCheck: boolean;
  isOwnListener(address: Address): boolean;
  /** The address of the upstream that answered last. */
  preferred(): Address | undefined;
  /** Each failed try at an address, by the system's code. */
  onFailure(code: string): void;
  /** A place for one more client that waits for the upstream; `onHeld(-1)` gives it back. */
  mayHold(): boolean;
  onHeld(change: 1 | -1): void;
  onOpen(client: Address, upstream: Address): void;
  /** It has ended. @returns how many are left, of those that have a place */
  remove(connection: Connection): number;
  /** Then follows its record, and whoever has waited for the place. */
  onEnd(record: ConnectionRecord): void;
}

/** How an engine makes its connections. `S` is what it accepts: a socket, or the number of one. */
export interface Maker<S> {
  open(socket: S, from: Address, port: Port): Connection;
  /** Ends the monitor's accept check, which learns by it that this process accepts. */
  answerCheck(socket: S): void;
  listeners(): readonly Address[];
  onFailure(code: string): void;
}

export interface Clients<S> {
  /** @param from an empty host: the client has gone already */
  accept(socket: S, from: Address): void;
  expectCheck(localPort: number, forward: boolean): void;
  setLocalAddresses(addresses: readonly string[]): void;
  /** Those that are neither checks nor finished. */
  readonly open: ReadonlySet<Connection>;
  counts(): Counts;
  /** Ends what is still there, checks too. */
  abort(reason: Reason): void;
}

export interface Counts {
  readonly active: number;
  readonly total: number;
  readonly held: number;
  readonly waiting: number;
  readonly maxConnections: number;
}

/** The clients of one port: who may come in, who waits, who is served. */
export const createClients = <S>(
  policy: Policy,
  hooks: Pick<EngineHooks, 'onOpen' | 'onEnd'>,
  maker: Maker<S>,
  now = () => performance.now(),
): Clients<S> => {
  const { maxConnections, maxHeld } = countPlaces(policy);
  let local: readonly string[] = LOOPBACK;
  const isAllowed = createAllow(policy.allow, () => local);
  const expected = createExpectedChecks((host) => isLoopback(host) || local.includes(host), now);
  const open = new Set<Connection>();
  const checking = new Set<Connection>();
  const placed = new Set<Connection>();
  const queue = new Set<Connection>();
  let winner: Address | undefined;
  let [total, held] = [0, 0];

  const shared = {
    policy,
    preferred: () => winner,
    isOwnListener: (address: Address) => isCovered(maker.listeners(), address, local),
  };

  const admit = (connection: Connection): void => {
    placed.add(connection);
    connection.serve();
  };

  const clients: Port = {
    ...shared,
    isCheck: false,
    onFailure: maker.onFailure,
    mayHold: () => held + queue.size < maxHeld,
    onHeld: (change) => {
      held += change;
    },
    onOpen: (client, upstream) => {
      winner = upstream;
      hooks.onOpen?.(client, upstream);
    },
    remove: (connection) => {
      open.delete(connection);
      queue.delete(connection);
      placed.delete(connection);
      return placed.size;
    },
    onEnd: (record) => {
      hooks.onEnd(record);
      if (queue.size === 0 || placed.size >= maxConnections) return;
      const [next] = queue;
      if (next && queue.delete(next)) admit(next);
    },
  };

  const checks: Port = {
    ...shared,
    isCheck: true,
    onFailure: () => {},
    mayHold: () => false,
    onHeld: () => {},
    onOpen: () => {},
    remove: (connection) => {
      checking.delete(connection);
      return 0;
    },
    onEnd: () => {},
  };

  const refuse = (from: Address): Reason | undefined => {
    if (from.host === '') return 'client_gone';
    if (!isAllowed(from.host)) return 'not_allowed';
    return placed.size >= maxConnections && held + queue.size >= maxHeld ? 'too_many' : undefined;
  };

  const check = (socket: S, from: Address): void => {
    const connection = maker.open(socket, from, checks);
    checking.add(connection);
    connection.serve();
  };

  return {
    open,
    accept: (socket, from) => {
      const announced = expected.take(from);
      if (announced) return announced.forward ? check(socket, from) : maker.answerCheck(socket);
      total += 1;
      const connection = maker.open(socket, from, clients);
      open.add(connection);
      const refusal = connection.isLoop() ? 'loop' : refuse(from);
      if (refusal) connection.abort(refusal);
      else if (placed.size < maxConnections) admit(connection);
      else queue.add(connection);
    },
    expectCheck: expected.add,
    setLocalAddresses: (addresses) => {
      local = addresses;
    },
    counts: () => ({ active: placed.size, total, held, waiting: queue.size, maxConnections }),
    abort: (reason) => {
      for (const connection of [...open, ...checking]) connection.abort(reason);
    },
  };
};

const LOOPBACK = ['127.0.0.1', '::1'];
