import assert from 'node:assert/strict';
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
  /** A port of 0: a unix socket. */
  readonly listen: Address;
  readonly patientAfterBytes: number;
}

export interface Client {
  readonly peer: Peer;
  readonly from: Address;
  readonly isCheck: boolean;
  /** Connected to the upstream. */
  isOpen: boolean;
}

/** The data path of one port on a kernel of its own, with its clients and its upstream, and a clock that is set by hand. */
export class World {
  nowMs = 1_000;
  /** Those that there were, the latest last. */
  readonly routes: Route[] = ['later'];
  readonly faults = new Set<Call>();
  wasUnknown = false;
  readonly setting: Setting;
  readonly kernel: FakeKernel;
  readonly libc: CheckedLibc;
  readonly path: DataPath;
  readonly cells = new SharedCounters();
  readonly clients: Client[] = [];
  readonly upstreams: Peer[] = [];
  readonly peers: Peer[] = [];
  readonly records: ConnectionRecord[] = [];
  readonly errors: string[] = [];
  isResolving = false;
  /** These say goodbye, and the others when they see it; all read what comes. */
  leaving: 'nobody' | 'clients' | 'upstreams' = 'nobody';
  isDrained = false;
  readonly memoriesAtFirst: number;
  #commands: Command[] = [];

  constructor(setting: Setting) {
    this.setting = setting;
    this.kernel = new FakeKernel(setting.sizes, {
      route: () => this.routes.at(-1) ?? 'later',
      onUpstream: (far) => this.upstreams.push(this.#meet(far)),
    });
    this.libc = createCheckedLibc(this.kernel);
    const start = {
      policy: setting.policy,
      shouldReportOpen: true,
      shouldLogDials: false,
      ephemeralPorts: { first: 1, last: 65_535 },
    };
    this.path = createDataPath(
      start,
      this.cells,
      this.libc,
      (report) => this.#hear(report),
      () => this.nowMs,
      setting.patientAfterBytes,
    );
    this.memoriesAtFirst = this.libc.memories;
    this.listen();
  }

  listen(): void {
    this.tell({ kind: 'listen', id: 1, address: this.setting.listen });
    this.turn();
  }

  /** Carried out in the next turn. */
  tell(command: Command): void {
    this.#commands.push(command);
  }

  /** @param host a unix socket's client has none */
  dial(host: string, isCheck: boolean): void {
    const port = 40_000 + this.clients.length;
    const stream = this.kernel.dial(this.setting.listen, { host, port });
    if (!stream) return;
    if (isCheck) this.tell({ kind: 'check', localPort: port, forward: this.clients.length % 2 === 0 });
    this.clients.push({ peer: this.#meet(stream), from: { host, port }, isOpen: false, isCheck });
  }

  reset(peer: Peer | undefined): void {
    if (!peer) return;
    const client = this.clients.find((client) => client.peer === peer || client.peer === peer.sender);
    peer.hasResetOpen = client?.isOpen ?? false;
    peer.reset(this.nowMs);
  }

  turn(): void {
    if (this.path.loop.isStopped) return;
    this.path.loop.turn(() => {
      const commands = this.#commands;
      this.#commands = [];
      for (const command of commands) this.path.receive(command);
    }, this.path.onTurn);
  }

  /** The network brings what it has, those who read do, and the loop takes a turn. */
  pass(): void {
    this.deliver();
    this.turn();
  }

  deliver(): void {
    this.kernel.flow();
    for (const peer of this.peers) if (!peer.isStalled) peer.read(this.peers);
  }

  /** Until nothing more arrives: what the loop has closed in order is still sent, as much at once as the reader has room for. */
  deliverAll(): void {
    for (let before = -1; before !== this.#moved(); ) {
      before = this.#moved();
      this.deliver();
    }
  }

  /** The network brings what it has, those who read do, and the loop takes as many turns as it takes. */
  settle(): void {
    for (let turns = 0; ; turns += 1) {
      if (turns > MOST_TURNS) assert.fail('the loop does not come to rest');
      this.answer();
      if (this.leaving !== 'nobody') for (const peer of this.peers) this.#leave(peer);
      const [before, isTold] = [this.#moved(), this.#commands.length > 0];
      this.pass();
      this.kernel.flow();
      const isQuiet = this.kernel.told === 0 && this.#moved() === before && !isTold && !this.isResolving;
      if (this.path.loop.isStopped || (isQuiet && this.kernel.timeoutMs !== 0)) return;
    }
  }

  /** Until nothing is due any more. */
  passTime(): void {
    for (let times = 0; ; times += 1) {
      if (times > MOST_TURNS) assert.fail('deadlines without end');
      this.settle();
      if (this.path.loop.isStopped || this.kernel.timeoutMs < 0) return;
      const most = this.isEmpty ? MOST_PAUSE_MS : Number.POSITIVE_INFINITY;
      assert.ok(this.kernel.timeoutMs <= most, 'a deadline of what is over');
      this.nowMs += this.kernel.timeoutMs;
    }
  }

  /** The upstream's name is looked up. */
  answer(ok = true): void {
    if (!this.isResolving) return;
    this.wasUnknown ||= !ok;
    this.isResolving = false;
    const { port } = this.setting.policy.upstream;
    const addresses = ['10.0.0.7', '10.0.0.8'].map((host) => ({ host, port }));
    this.tell({ kind: 'resolved', resolved: ok ? { ok, addresses } : { ok, code: 'ENOTFOUND' } });
  }

  #leave(peer: Peer): void {
    peer.isStalled = false;
    const isFirst = this.upstreams.includes(peer) === (this.leaving === 'upstreams');
    if (isFirst || peer.sawFin) peer.finish();
  }

  /** No connection is there, not even a check's. */
  get isEmpty(): boolean {
    const sockets = [...this.libc.files.values()].filter((kind) => kind === 'socket');
    return sockets.length <= 1 && this.cells.counts(this.records.length).active === 0;
  }

  #moved(): number {
    return this.peers.reduce((sum, { received }) => sum + received, this.records.length);
  }

  #meet(stream: Stream): Peer {
    stream.inBytes = this.setting.sizes.inBytes;
    if (stream.isUnix) stream.outBytes = this.setting.sizes.inBytes;
    const peer = new Peer(this.peers.length, stream);
    this.peers.push(peer);
    return peer;
  }

  #hear(report: ThreadEvent): void {
    if (report.kind === 'records') this.records.push(...readRecords(report.fields));
    else if (report.kind === 'resolve') this.isResolving = true;
    else if (report.kind === 'error') this.errors.push(report.failure.message);
    else if (report.kind === 'drained') this.isDrained = true;
    else if (report.kind === 'done' && report.failure) this.errors.push(report.failure.message);
    else if (report.kind === 'open') {
      const { port } = report.client;
      // A unix socket's clients are not known apart.
      const [only, another] = this.clients;
      const client = port === 0 && !another ? only : this.clients.find(({ from }) => from.port === port);
      if (client) client.isOpen = true;
    }
  }
}

const MOST_TURNS = 20_000;
/** The longest deadline that is none of a connection: that of idle pipes. */
const MOST_PAUSE_MS = 500;
