import type { Timer } from '../../lib/timers/timer-heap.ts';
import { EventLoop } from '../../libc/event-loop.ts';
import { ADDRESS_MEMORY_BYTES, type Libc } from '../../libc/libc.ts';
import { writeAddress } from '../../libc/sockaddr.ts';
import { type Admission, createAdmission } from '../admission.ts';
import { RetryGate } from '../connection/retry-gate.ts';
import { createSelfConnectGuard } from '../connection/self-connect-guard.ts';
import { createUpstreamAddresses } from '../connection/upstream-addresses.ts';
import type { ConnectionRecord } from '../engine.ts';
import { Acceptor } from './acceptor.ts';
import { KernelConnection, type SharedContext } from './connection.ts';
import { ALL_EVENTS, type SocketAddress } from './dialer.ts';
import { Relay } from './relay.ts';
import {
  type Command,
  pushRecord,
  type ThreadEvent,
  type ThreadOptions,
  toFailure,
} from './thread/channel.ts';
import type { SharedCounters } from './thread/shared-counters.ts';

/**
 * Records are posted in batches, MAX_RECORDS_PER_BATCH at most and after RECORD_BATCH_MS at the latest, because each message
 * costs the main thread a turn.
 */
const MAX_RECORDS_PER_BATCH = 256;
const RECORD_BATCH_MS = 20;

/** How often it is looked whether the bytes before a reset are sent, and for how long. */
const FLUSH_CHECKS = { minMs: 2, maxMs: 500 };

export interface DataPath {
  readonly loop: EventLoop;
  /** Carries out a command of the main thread. */
  receive(command: Command): void;
  /** To be called at the end of each turn of the loop. */
  onTurn(): void;
}

/**
 * Everything of one port that runs on the thread of its loop: listeners, admission, dials and relay.
 * @param now a monotonic clock in ms; performance.now() by default
 * @param coalesceAfterBytes see COALESCE_AFTER_BYTES of relay.ts
 */
export const createDataPath = (
  {
    policy,
    shouldReportOpen,
    shouldLogDials,
    ephemeralPorts: { first: firstPort, last: lastPort },
  }: Omit<ThreadOptions, 'counters'>,
  counters: SharedCounters,
  libc: Libc,
  post: (event: ThreadEvent) => void,
  now?: () => number,
  coalesceAfterBytes?: number,
): DataPath => {
  const loop = new EventLoop(libc, now);
  const acceptor = new Acceptor(libc, loop, {
    mayAccept: () => !counters.hasPendingCommands,
    onClient: (fd, client) => admission.accept(fd, client),
    onError: (error) => post({ kind: 'error', failure: toFailure(error) }),
  });
  const upstreamAddresses = createUpstreamAddresses<SocketAddress>(
    policy.upstream,
    {
      create: (address) => {
        const memory = libc.allocate(ADDRESS_MEMORY_BYTES);
        return { address, memory, ...writeAddress(address, memory) };
      },
      release: ({ memory }) => libc.release(memory),
    },
    () => post({ kind: 'resolve' }),
  );
  const shared: SharedContext = {
    libc,
    loop,
    timers: loop,
    upstreamAddresses,
    gate: new RetryGate(loop),
    relay: new Relay(libc, loop, coalesceAfterBytes),
    guard: createSelfConnectGuard(() => acceptor.addresses),
    addressMemory: libc.allocate(ADDRESS_MEMORY_BYTES),
    logDial: shouldLogDials ? (message, ...values) => post({ kind: 'dial', message, values }) : undefined,
    flushChecks: FLUSH_CHECKS,
    maySelfConnect: ({ port }) => port >= firstPort && port <= lastPort,
    onBytesMoved: (isToUpstream, bytes) => counters.addBytes(isToUpstream, bytes),
  };
  const publish = (): void => counters.publish(admission.counts());
  const recordBatch = createRecordBatch(loop, counters, publish, post);
  const admission = createAdmission<number>(
    policy,
    {
      onEnd: recordBatch.add,
      ...(shouldReportOpen ? { onOpen: (client, upstream) => post({ kind: 'open', client, upstream }) } : {}),
    },
    {
      create: (fd, client, port) => {
        // The counts are correct before the client can see anything of its connection.
        publish();
        const connection = new KernelConnection(fd, client, port, shared);
        // The limit max_user_watches of epoll(7) is reached, so no event of the client would arrive.
        if (loop.watch(fd, ALL_EVENTS, connection.clientHandler) < 0)
          loop.defer({ resume: () => connection.abort('too_many') });
        return connection;
      },
      answerCheck: (fd) => {
        libc.setResetOnClose(fd, false);
        libc.close(fd);
      },
      listenAddresses: () => acceptor.addresses,
      onConnectFailure: (code) => counters.addFailure(code),
    },
    now,
  );
  const drain = createDrain(loop, admission, acceptor, counters);

  const receive = (command: Command): void => {
    switch (command.kind) {
      case 'listen':
        return acceptor.whenClosed(() => reply(command.id, () => acceptor.listen(command.address)));
      case 'unlisten':
        return acceptor.unlisten(command.address, () => reply(command.id, () => null));
      case 'local':
        return admission.setLocalAddresses(command.addresses);
      case 'expect_check':
        return admission.expectCheck(command.check);
      case 'retract_check':
        return admission.retractCheck(command.source);
      case 'resolved':
        return upstreamAddresses.set(command.resolved, loop.now);
      case 'drain':
        return drain.start(command.limitMs);
    }
  };

  const reply = (id: number, action: () => ReturnType<Acceptor['listen']> | null): void => {
    try {
      post({ kind: 'done', id, bound: action(), failure: null });
    } catch (error) {
      post({ kind: 'done', id, bound: null, failure: toFailure(error) });
    }
  };

  return {
    loop,
    receive,
    onTurn: () => {
      publish();
      if (!drain.isComplete()) return;
      // Only checks are left, and a drain does not wait for checks.
      admission.abort('drained');
      recordBatch.flush();
      shared.relay.close();
      loop.isStopped = true;
      post({ kind: 'drained' });
    },
  };
};

/** Collects records. The counts are published before each batch, so that they contain the connections of the batch. */
const createRecordBatch = (
  loop: EventLoop,
  counters: SharedCounters,
  publish: () => void,
  post: (event: ThreadEvent) => void,
) => {
  let fields: Parameters<typeof pushRecord>[0] = [];
  let count = 0;
  const flush = (): void => {
    loop.clearDeadline(timer);
    publish();
    if (count > 0) post({ kind: 'records', fields });
    fields = [];
    count = 0;
  };
  const timer: Timer = { dueAt: 0, heapIndex: -1, onDue: flush };
  return {
    add: (record: ConnectionRecord): void => {
      counters.countEnded();
      pushRecord(fields, record);
      count += 1;
      if (count >= MAX_RECORDS_PER_BATCH) flush();
      else if (count === 1) loop.setDeadline(timer, loop.now + RECORD_BATCH_MS);
    },
    flush,
  };
};

/** Stops listening, and after `limitMs` resets the connections that are still open and the clients that were not accepted. */
const createDrain = (
  loop: EventLoop,
  admission: Admission<number>,
  acceptor: Acceptor,
  counters: SharedCounters,
) => {
  let hasStoppedListening = false;
  const onDue = (): void => {
    acceptor.stopNow();
    admission.abort('drained');
  };
  const timer: Timer = { dueAt: 0, heapIndex: -1, onDue };
  return {
    start: (limitMs: number): void => {
      loop.setDeadline(timer, loop.now + limitMs);
      acceptor.stop();
      acceptor.whenClosed(() => {
        hasStoppedListening = true;
        counters.setStoppedListening();
      });
    },
    isComplete: (): boolean => hasStoppedListening && admission.connections.size === 0,
  };
};
