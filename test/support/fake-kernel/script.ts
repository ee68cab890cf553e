import { constants } from 'node:os';
import fc from 'fast-check';
import type { Call, Route } from './fake-libc.ts';
import type { Setting, World } from './simulation.ts';

/** An action of a peer or of the surroundings, and the number of turns that the loop takes after it. */
export type Step = { readonly turns: number } & (
  | { readonly op: 'dial'; readonly host: string; readonly isCheck: boolean }
  | {
      readonly op: 'send' | 'descriptor' | 'read' | 'flow';
      readonly peerIndex: number;
      readonly bytes: number;
    }
  | { readonly op: 'finish' | 'reset' | 'urgent' | 'stall' | 'resume' | 'event'; readonly peerIndex: number }
  | { readonly op: 'upstream'; readonly route: Route }
  | { readonly op: 'time'; readonly ms: number }
  | { readonly op: 'fault'; readonly call: Call; readonly errno: number; readonly times: number }
  | { readonly op: 'resolve'; readonly isFound: boolean }
  | { readonly op: 'listen' }
);

/** How a script ends; `silence`: no peer does anything more. */
export type Ending = 'client leaves' | 'upstream leaves' | 'silence' | 'drain';

const { errno } = constants;
const FAULTS: Readonly<Record<Call, readonly number[]>> = {
  accept: [
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.EINTR,
    errno.ECONNABORTED,
    errno.EAGAIN,
  ],
  socket: [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM],
  connect: [errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EAGAIN],
  receive: [errno.ENOMEM, errno.ENOBUFS],
  send: [errno.ENOMEM, errno.ENOBUFS],
  splice: [errno.ENOMEM, errno.ENOBUFS],
  pipe: [errno.EMFILE, errno.ENFILE],
  setPipeSize: [errno.EPERM, errno.ENOMEM, errno.EBUSY],
  epollAdd: [errno.ENOSPC, errno.ENOMEM],
  epollWait: [errno.EINTR],
};
const ROUTES: readonly Route[] = [
  'later',
  'at once',
  'refused',
  'refused at once',
  'unreachable',
  'deaf',
  'full',
  'itself',
];
export const OUTSIDE = '8.8.8.8';

const peerIndex = fc.nat({ max: 7 });
const bytes = fc.oneof(
  { weight: 3, arbitrary: fc.nat({ max: 100 }) },
  { weight: 3, arbitrary: fc.nat({ max: 80_000 }) },
  { weight: 6, arbitrary: fc.nat({ max: 400_000 }) },
  { weight: 2, arbitrary: fc.nat({ max: 3_000_000 }) },
);
const turns = fc.constantFrom(0, 1, 1, 1, 2);
const call = fc.constantFrom(...(Object.keys(FAULTS) as Call[]));

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('dial' as const),
      host: fc.constantFrom('127.0.0.1', '127.0.0.1', '127.0.0.1', '::1', OUTSIDE),
      isCheck: fc.constantFrom(false, false, false, false, true),
      turns,
    }),
  },
  { weight: 10, arbitrary: fc.record({ op: fc.constant('send' as const), peerIndex, bytes, turns }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constantFrom('read' as const, 'flow' as const, 'descriptor' as const),
      peerIndex,
      bytes,
      turns,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constantFrom('finish' as const, 'stall' as const, 'resume' as const, 'event' as const),
      peerIndex,
      turns,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constantFrom('reset' as const, 'urgent' as const), peerIndex, turns }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('upstream' as const), route: fc.constantFrom(...ROUTES), turns }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('time' as const),
      ms: fc.constantFrom(1, 5, 50, 100, 350, 500, 1_000, 6_000),
      turns,
    }),
  },
  {
    weight: 2,
    arbitrary: call.chain((call) =>
      fc.record({
        op: fc.constant('fault' as const),
        call: fc.constant(call),
        errno: fc.constantFrom(...FAULTS[call]),
        times: fc.integer({ min: 1, max: 4 }),
        turns,
      }),
    ),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('resolve' as const), isFound: fc.boolean(), turns }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('listen' as const), turns }) },
);

const BUFFERS = [4_000, 70_000, 200_000, 200_000, 3_000_000];
const settings: fc.Arbitrary<Setting> = fc.record({
  sizes: fc.record({
    inBytes: fc.constantFrom(...BUFFERS),
    outBytes: fc.constantFrom(...BUFFERS),
    pipeBytes: fc.constantFrom(65_536, 1_048_576),
    eighths: fc.array(fc.nat({ max: 7 }), { maxLength: 6 }),
  }),
  policy: fc.record({
    upstream: fc.constantFrom(
      { host: '127.0.0.1', port: 9_000 },
      { host: 'localhost', port: 9_000 },
      { host: 'a.name', port: 9_000 },
      { host: '/upstream.sock', port: 0 },
    ),
    allow: fc.constant(['loopback']),
    holdMs: fc.constantFrom(0, 300, 30_000),
    connectTimeoutMs: fc.constantFrom(100, 5_000),
    idleTimeoutMs: fc.constantFrom(0, 100, 10_000),
    halfCloseTimeoutMs: fc.constantFrom(0, 100, 60_000),
    maxConnections: fc.constantFrom(0, 0, 1, 2),
    maxHeld: fc.constantFrom(0, 1, 100),
  }),
  // At least COALESCE_BYTES of relay.ts: the bytes that are read after a time-out never start coalescing again.
  coalesceAfterBytes: fc.constantFrom(524_288, 524_288, 16_777_216),
  shouldLogDials: fc.constant(false),
  listen: fc.constantFrom(
    { host: '127.0.0.1', port: 8_000 },
    { host: '127.0.0.1', port: 8_000 },
    { host: '/proxy.sock', port: 0 },
  ),
});

export interface Script {
  readonly setting: Setting;
  readonly steps: Step[];
  readonly ending: Ending;
}

export const scripts: fc.Arbitrary<Script> = fc.record({
  setting: settings,
  steps: fc.array(step, { maxLength: 40, size: 'max' }),
  ending: fc.constantFrom<Ending>('client leaves', 'upstream leaves', 'silence', 'drain'),
});

export const runStep = (world: World, step: Step): void => {
  const peer =
    'peerIndex' in step ? world.peers[step.peerIndex % Math.max(1, world.peers.length)] : undefined;
  switch (step.op) {
    case 'dial':
      world.dial(step.host, step.isCheck);
      break;
    case 'send':
      peer?.send(step.bytes);
      break;
    case 'descriptor':
      peer?.sendDescriptor(step.bytes);
      peer?.send(step.bytes);
      break;
    case 'read':
      peer?.read(world.peers, step.bytes);
      break;
    case 'flow':
      world.kernel.deliver(step.bytes);
      break;
    case 'finish':
      peer?.finish();
      break;
    case 'reset':
      world.reset(peer);
      break;
    case 'urgent':
      peer?.sendUrgent();
      break;
    case 'stall':
    case 'resume':
      if (peer) peer.isStalled = step.op === 'stall';
      break;
    case 'event':
      world.kernel.raiseEvent(step.peerIndex);
      break;
    case 'upstream':
      world.routes.push(step.route);
      break;
    case 'time':
      world.now += step.ms;
      break;
    case 'fault':
      world.kernel.faults.set(step.call, Array<number>(step.times).fill(step.errno));
      world.faults.add(step.call);
      break;
    case 'resolve':
      world.answerLookup(step.isFound);
      break;
    case 'listen':
      world.post({ kind: 'unlisten', id: 0, address: world.setting.listen });
      world.post({ kind: 'listen', id: 0, address: world.setting.listen });
  }
  const isPartial = step.op === 'flow' || step.op === 'read' || step.op === 'event';
  for (let remaining = step.turns; remaining > 0; remaining -= 1)
    isPartial ? world.turn() : world.deliverAndTurn();
};
