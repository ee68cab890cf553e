import type { Ending, Script, Step } from './script.ts';

const scriptOf = (inBytes: number, outBytes: number, ending: Ending, steps: readonly Step[]): Script => ({
  setting: {
    sizes: { inBytes, outBytes, pipeBytes: 65_536, dice: [] },
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
    patientAfterBytes: 524_288,
    listen: { host: '127.0.0.1', port: 8_000 },
  },
  steps: [...steps],
  ending,
});

const dial = (turns: number): Step => ({ op: 'dial', host: '127.0.0.1', isCheck: false, turns });

/** Scripts that have failed in more runs than the tests have time for. */
export const FOUND: readonly Script[] = [
  // A splice at the place of urgent data, of which epoll had not told yet, with FIN behind it: 0 was taken for the end.
  scriptOf(70_000, 200_000, 'client leaves', [
    dial(1),
    { op: 'send', who: 0, bytes: 0, turns: 1 },
    { op: 'send', who: 3, bytes: 335_536, turns: 1 },
    { op: 'flow', who: 0, bytes: 64_465, turns: 2 },
    { op: 'urgent', who: 3, turns: 0 },
    { op: 'send', who: 3, bytes: 1, turns: 0 },
    { op: 'finish', who: 3, turns: 0 },
    { op: 'flow', who: 0, bytes: 70_000, turns: 1 },
  ]),
  // What was passed on and not read, because of a reset, is asked of nobody.
  scriptOf(4_000, 4_000, 'client leaves', [
    dial(0),
    { op: 'finish', who: 0, turns: 2 },
    { op: 'send', who: 3, bytes: 1, turns: 0 },
    { op: 'finish', who: 3, turns: 1 },
    { op: 'reset', who: 0, turns: 0 },
  ]),
  // The network goes on when the loop has ended, until all has come.
  scriptOf(4_000, 200_000, 'drain', [
    dial(1),
    dial(1),
    { op: 'upstream', route: 'full', turns: 0 },
    { op: 'send', who: 0, bytes: 36_000, turns: 0 },
    dial(0),
    { op: 'finish', who: 0, turns: 0 },
    dial(1),
    { op: 'flow', who: 0, bytes: 1, turns: 2 },
    { op: 'finish', who: 7, turns: 0 },
    { op: 'time', ms: 350, turns: 0 },
  ]),
];
