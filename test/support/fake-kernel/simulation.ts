import assert from 'node:assert/strict';
import { format } from 'node:util';
import type { Address } from '../../../src/lib/address.ts';
import type { ConnectionRecord, Policy } from '../../../src/proxy/engine.ts';
import { createDataPath, type DataPath } from '../../../src/proxy/kernel/data-path.ts';
import { type Command, readRecords, type ThreadEvent } from '../../../src/proxy/kernel/thread/channel.ts';
import { SharedCounters } from '../../../src/proxy/kernel/thread/shared-counters.ts';
import { type CheckedLibc, createCheckedLibc } from './checked-libc.ts';
import { type Call, FakeKernel, type Route, type Sizes } from './fake-libc.ts';
import type { Stream } from './fake-stream.ts';
import { Peer } from './peer.ts';

export interface Setting {
  readonly sizes: Sizes;
  readonly policy: Policy;
  /** A port of 0 means a unix socket. */
  readonly listen: Address;
  readonly coalesceAfterBytes: number;
  readonly shouldLogDials: boolean;
}

export interface Client {
  readonly peer: Peer;
  readonly address: Address;
  readonly isCheck: boolean;
  /** The connection to the upstream exists. */
  isOpen: boolean;
}

/** The data path of one port on a fake kernel, with its clients, its upstream and a clock that the test sets. */
export class World {
  now = 1_000;
  /** The outcomes of connects; the last one is in force. */
  readonly routes: Route[] = ['later'];
  readonly faults = new Set<Call>();
  hadLookupFailure = false;
  readonly setting: Setting;
  readonly kernel: FakeKernel;
  readonly libc: CheckedLibc;
  readonly dataPath: DataPath;
  readonly counters = new SharedCounters();
  readonly clients: Client[] = [];
  readonly upstreams: Peer[] = [];
  readonly peers: Peer[] = [];
  readonly records: ConnectionRecord[] = [];
  readonly errors: string[] = [];
  /** The ids of the commands that were answered, whether they failed or not. */
  readonly answers: number[] = [];
  readonly dialLog: string[] = [];
  isLookupPending = false;
  /** The side that closes its connections first; the other side follows when it reads the end. Every peer reads. */
  endingSide: 'nobody' | 'clients' | 'upstreams' = 'nobody';
  isDrained = false;
  readonly initialMemoryCount: number;
  #commands: Command[] = [];

  constructor(setting: Setting) {
    this.setting = setting;
    this.kernel = new FakeKernel(setting.sizes, {
      route: () => this.routes.at(-1) ?? 'later',
      onUpstream: (far) => this.upstreams.push(this.#addPeer(far)),
    });
    this.libc = createCheckedLibc(this.kernel);
    const options = {
      policy: setting.policy,
      shouldReportOpen: true,
      shouldLogDials: setting.shouldLogDials,
      ephemeralPorts: { first: 1, last: 65_535 },
    };
    this.dataPath = createDataPath(
      options,
      this.counters,
      this.libc,
      (event) => this.#onThreadEvent(event),
      () => this.now,
      setting.coalesceAfterBytes,
    );
    this.initialMemoryCount = this.libc.memoryCount;
    this.listen();
  }

  listen(): void {
    this.post({ kind: 'listen', id: 1, address: this.setting.listen });
    this.turn();
  }

  /** Sends a command, which is carried out in the next turn. */
  post(command: Command): void {
    this.#commands.push(command);
  }

  /** @param host has no meaning for a client of a unix socket */
  dial(host: string, isCheck: boolean): void {
    const port = 40_000 + this.clients.length;
    const stream = this.kernel.dial(this.setting.listen, { host, port });
    if (!stream) return;
    const forward = this.clients.length % 2 === 0;
    if (isCheck) this.post({ kind: 'expect_check', check: { localPort: port, forward } });
    this.clients.push({ peer: this.#addPeer(stream), address: { host, port }, isOpen: false, isCheck });
  }

  reset(peer: Peer | undefined): void {
    if (!peer) return;
    const client = this.clients.find((client) => client.peer === peer || client.peer === peer.sender);
    peer.wasOpenAtReset = client?.isOpen ?? false;
    peer.reset(this.now);
  }

  turn(): void {
    if (this.dataPath.loop.isStopped) return;
    this.dataPath.loop.turn(() => {
      const commands = this.#commands;
      this.#commands = [];
      for (const command of commands) this.dataPath.receive(command);
    }, this.dataPath.onTurn);
  }

  /** The network delivers, the peers read, and the loop takes a turn. */
  deliverAndTurn(): void {
    this.deliver();
    this.turn();
  }

  deliver(): void {
    this.kernel.deliver();
    for (const peer of this.peers) if (!peer.isStalled) peer.read(this.peers);
  }

  /** Delivers until nothing more arrives: bytes before an orderly close are still sent, as far as the reader has room. */
  deliverAll(): void {
    for (let previous = -1; previous !== this.#progress(); ) {
      previous = this.#progress();
      this.deliver();
    }
  }

  /** The network delivers, the peers read, and the loop takes turns until it comes to rest. */
  settle(): void {
    for (let turns = 0; ; turns += 1) {
      if (turns > MAX_TURNS) assert.fail('the loop does not come to rest');
      this.answerLookup();
      if (this.endingSide !== 'nobody') for (const peer of this.peers) this.#leave(peer);
      const previous = this.#progress();
      const hadCommands = this.#commands.length > 0;
      this.deliverAndTurn();
      this.kernel.deliver();
      const hasProgress = this.kernel.eventCount > 0 || this.#progress() !== previous;
      const isQuiet = !hasProgress && !hadCommands && !this.isLookupPending;
      if (this.dataPath.loop.isStopped || (isQuiet && this.kernel.timeoutMs !== 0)) return;
    }
  }

  /** Lets time pass until no timer is set. */
  passTime(): void {
    for (let rounds = 0; ; rounds += 1) {
      if (rounds > MAX_TURNS) assert.fail('timers without end');
      this.settle();
      if (this.dataPath.loop.isStopped || this.kernel.timeoutMs < 0) return;
      const maxTimeoutMs = this.isEmpty ? MAX_IDLE_TIMER_MS : Number.POSITIVE_INFINITY;
      assert.ok(this.kernel.timeoutMs <= maxTimeoutMs, 'a timer of an ended connection');
      this.now += this.kernel.timeoutMs;
    }
  }

  /** Answers a pending lookup of the upstream's name. */
  answerLookup(ok = true): void {
    if (!this.isLookupPending) return;
    this.hadLookupFailure ||= !ok;
    this.isLookupPending = false;
    const { port } = this.setting.policy.upstream;
    const addresses = ['10.0.0.7', '10.0.0.8'].map((host) => ({ host, port }));
    this.post({ kind: 'resolved', resolved: ok ? { ok, addresses } : { ok, code: 'ENOTFOUND' } });
  }

  #leave(peer: Peer): void {
    peer.isStalled = false;
    const leavesFirst = this.upstreams.includes(peer) === (this.endingSide === 'upstreams');
    if (leavesFirst || peer.sawFin) peer.finish();
  }

  /** There is no connection, not even one of a check. */
  get isEmpty(): boolean {
    const sockets = [...this.libc.files.values()].filter((kind) => kind === 'socket');
    return sockets.length <= 1 && this.counters.counts(this.records.length).active === 0;
  }

  #progress(): number {
    return this.peers.reduce((sum, { receivedBytes }) => sum + receivedBytes, this.records.length);
  }

  #addPeer(stream: Stream): Peer {
    stream.inBytes = this.setting.sizes.inBytes;
    if (stream.isUnix) stream.outBytes = this.setting.sizes.inBytes;
    const peer = new Peer(this.peers.length, stream);
    this.peers.push(peer);
    return peer;
  }

  #onThreadEvent(event: ThreadEvent): void {
    if (event.kind === 'records') this.records.push(...readRecords(event.fields));
    else if (event.kind === 'resolve') this.isLookupPending = true;
    else if (event.kind === 'error') this.errors.push(event.failure.message);
    else if (event.kind === 'dial') this.dialLog.push(format(event.message, ...event.values));
    else if (event.kind === 'drained') this.isDrained = true;
    else if (event.kind === 'done') {
      this.answers.push(event.id);
      if (event.failure) this.errors.push(event.failure.message);
    } else if (event.kind === 'open') {
      const { port } = event.client;
      // The clients of a unix socket cannot be told apart.
      const [only, second] = this.clients;
      const client = port === 0 && !second ? only : this.clients.find(({ address }) => address.port === port);
      if (client) client.isOpen = true;
    }
  }
}

const MAX_TURNS = 20_000;
/** The longest timer that does not belong to a connection: IDLE_MS of pipe-pool.ts. */
const MAX_IDLE_TIMER_MS = 500;
