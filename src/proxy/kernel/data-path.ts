import { Loop } from '../../libc/event-loop.ts';
import { ADDRESS_MEMORY_BYTES, type Libc } from '../../libc/libc.ts';
import type { Timed } from '../../libc/timer-heap.ts';
import { type Clients, createClients } from '../admission.ts';
import type { ConnectionRecord } from '../engine.ts';
import { Listeners } from './acceptor.ts';
import { KernelConnection, type Shared } from './connection.ts';
import { ALL_EVENTS } from './dialer.ts';
import { Relay } from './relay.ts';
import { Gate } from './retry-gate.ts';
import { createLoopGuard } from './self-connect-guard.ts';
import { type Command, pushRecord, type Report, type Start, toFailure } from './thread/channel.ts';
import type { Cells } from './thread/shared-counters.ts';
import { createTargets } from './upstream-addresses.ts';

/** Records are told together, so many or after so long: each message costs the main thread a turn. */
const MOST_RECORDS = 256;
const RECORDS_MS = 20;

export interface DataPath {
  readonly loop: Loop;
  receive(command: Command): void;
  /** After each turn of the loop. */
  onTurn(): void;
}

/** All of one port that happens on the thread of its loop. */
export const createDataPath = (
  { policy, isOpenTold, ephemeralPorts: { first, last } }: Omit<Start, 'cells'>,
  cells: Cells,
  libc: Libc,
  tell: (report: Report) => void,
  now?: () => number,
  patientAfterBytes?: number,
): DataPath => {
  const loop = new Loop(libc, now);
  const listeners = new Listeners(libc, loop, {
    mayAccept: () => !cells.isBehind,
    onClient: (fd, from) => clients.accept(fd, from),
    onError: (error) => tell({ kind: 'error', failure: toFailure(error) }),
  });
  const targets = createTargets(policy.upstream, libc, () => tell({ kind: 'resolve' }));
  const shared: Shared = {
    libc,
    loop,
    targets,
    gate: new Gate(loop),
    relay: new Relay(libc, loop, patientAfterBytes),
    guard: createLoopGuard(() => listeners.addresses),
    address: libc.memory(ADDRESS_MEMORY_BYTES),
    mayBeItself: ({ port }) => port >= first && port <= last,
    onMoved: (isToUpstream, bytes) => cells.addBytes(isToUpstream, bytes),
  };
  const publish = (): void => cells.publish(clients.counts());
  const records = createRecords(loop, cells, publish, tell);
  const clients = createClients<number>(
    policy,
    {
      onEnd: records.add,
      ...(isOpenTold ? { onOpen: (client, upstream) => tell({ kind: 'open', client, upstream }) } : {}),
    },
    {
      open: (fd, from, port) => {
        // Before the client can see anything of it.
        publish();
        const connection = new KernelConnection(fd, from, port, shared);
        // Nothing would be heard of it: the limit of epoll(7), max_user_watches.
        if (loop.watch(fd, ALL_EVENTS, connection.client) < 0)
          loop.putOff({ goOn: () => connection.abort('too_many') });
        return connection;
      },
      answerCheck: (fd) => libc.close(fd),
      listeners: () => listeners.addresses,
      onFailure: (code) => cells.addFailure(code),
    },
    now,
  );
  const drain = createDrain(loop, clients, listeners);

  const receive = (command: Command): void => {
    switch (command.kind) {
      case 'listen':
        return answer(command.id, () => listeners.listen(command.address));
      case 'unlisten':
        return answer(command.id, () => {
          listeners.unlisten(command.address);
          return null;
        });
      case 'local':
        return clients.setLocalAddresses(command.addresses);
      case 'check':
        return clients.expectCheck(command.localPort, command.forward);
      case 'resolved':
        return targets.set(command.resolved, loop.nowMs);
      case 'drain':
        return drain.begin(command.limitMs);
    }
  };

  const answer = (id: number, act: () => ReturnType<Listeners['listen']> | null): void => {
    try {
      tell({ kind: 'done', id, bound: act(), failure: null });
    } catch (error) {
      tell({ kind: 'done', id, bound: null, failure: toFailure(error) });
    }
  };

  return {
    loop,
    receive,
    onTurn: () => {
      publish();
      if (!drain.isOver()) return;
      // Only checks are left, and nobody waits for those.
      clients.abort('drained');
      records.flush();
      shared.relay.close();
      loop.isStopped = true;
      tell({ kind: 'drained' });
    },
  };
};

/** Whoever is told of an end finds it in the counts. */
const createRecords = (loop: Loop, cells: Cells, publish: () => void, tell: (report: Report) => void) => {
  let [fields, count] = [[] as Parameters<typeof pushRecord>[0], 0];
  const flush = (): void => {
    loop.clearDeadline(timer);
    publish();
    if (count > 0) tell({ kind: 'records', fields });
    [fields, count] = [[], 0];
  };
  const timer: Timed = { dueMs: 0, place: -1, onDue: flush };
  return {
    add: (record: ConnectionRecord): void => {
      cells.countEnd();
      pushRecord(fields, record);
      count += 1;
      if (count >= MOST_RECORDS) flush();
      else if (count === 1) loop.setDeadline(timer, loop.nowMs + RECORDS_MS);
    },
    flush,
  };
};

/** The end of everything: what is open may finish, until the time is up. */
const createDrain = (loop: Loop, clients: Clients<number>, listeners: Listeners) => {
  let isDraining = false;
  const timer: Timed = { dueMs: 0, place: -1, onDue: () => clients.abort('drained') };
  return {
    begin: (limitMs: number): void => {
      isDraining = true;
      for (const address of listeners.addresses) listeners.unlisten(address);
      loop.setDeadline(timer, loop.nowMs + limitMs);
    },
    isOver: (): boolean => isDraining && clients.open.size === 0,
  };
};
