import type { Ending, Script, Step } from './script.ts';

const scriptOf = (inBytes: number, outBytes: number, ending: Ending, steps: readonly Step[]): Script => ({
  setting: {
    sizes: { inBytes, outBytes, pipeBytes: 65_536, eighths: [] },
    policy: {
      upstream: { host: '127.0.0.1', port: 9_000 },
      allow: ['loopback'],
      holdMs: 0,
      connectTimeoutMs: 100,
      idleTimeoutMs: 0,
      halfCloseTimeoutMs: 0,
      maxConnections: 0,
      maxHeld: 0,
    },
    coalesceAfterBytes: 524_288,
    shouldLogDials: false,
    listen: { host: '127.0.0.1', port: 8_000 },
  },
  steps: [...steps],
  ending,
});

const dial = (turns: number): Step => ({ op: 'dial', host: '127.0.0.1', isCheck: false, turns });

/** Scripts that failed in longer runs than those of the tests. */
export const REGRESSIONS: readonly Script[] = [
  // A splice at urgent data that epoll had not reported yet, with a FIN behind it: its 0 was taken for the end.
  scriptOf(70_000, 200_000, 'client leaves', [
    dial(1),
    { op: 'send', peerIndex: 0, bytes: 0, turns: 1 },
    { op: 'send', peerIndex: 3, bytes: 335_536, turns: 1 },
    { op: 'flow', peerIndex: 0, bytes: 64_465, turns: 2 },
    { op: 'urgent', peerIndex: 3, turns: 0 },
    { op: 'send', peerIndex: 3, bytes: 1, turns: 0 },
    { op: 'finish', peerIndex: 3, turns: 0 },
    { op: 'flow', peerIndex: 0, bytes: 70_000, turns: 1 },
  ]),
  // Bytes that were forwarded, and not read because of a reset, are not expected at a peer.
  scriptOf(4_000, 4_000, 'client leaves', [
    dial(0),
    { op: 'finish', peerIndex: 0, turns: 2 },
    { op: 'send', peerIndex: 3, bytes: 1, turns: 0 },
    { op: 'finish', peerIndex: 3, turns: 1 },
    { op: 'reset', peerIndex: 0, turns: 0 },
  ]),
  // The network goes on delivering after the loop has ended.
  scriptOf(4_000, 200_000, 'drain', [
    dial(1),
    dial(1),
    { op: 'upstream', route: 'full', turns: 0 },
    { op: 'send', peerIndex: 0, bytes: 36_000, turns: 0 },
    dial(0),
    { op: 'finish', peerIndex: 0, turns: 0 },
    dial(1),
    { op: 'flow', peerIndex: 0, bytes: 1, turns: 2 },
    { op: 'finish', peerIndex: 7, turns: 0 },
    { op: 'time', ms: 350, turns: 0 },
  ]),
];
