import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  detectMassFailure,
  isPausingRestarts,
  type MassFailure,
  NO_MASS_FAILURE,
} from '../../../src/health/mass-failure.ts';
import { createHealth, type Health } from '../../../src/health/state.ts';
import type { Cause } from '../../../src/health/types.ts';

const failing = (cause: Cause): Health => ({
  ...createHealth(0),
  state: 'degraded',
  cause,
  incident: {
    startedAt: 0,
    pid: 1,
    cause,
    actions: [],
    alerted: false,
    isProxyFault: true,
    recoveringSince: null,
  },
});
const well = (): Health => ({ ...createHealth(0), state: 'up' });
const fleet = (bad: number, good: number, cause: Cause = 'hung'): readonly Health[] => [
  ...Array.from({ length: bad }, () => failing(cause)),
  ...Array.from({ length: good }, well),
];
const isOn = (healths: readonly Health[], before = NO_MASS_FAILURE): boolean =>
  isPausingRestarts(detectMassFailure(before, healths, 1_000), 1_000);

describe('the machine is suspected when three ports or more fail at once, and more than half of all', () => {
  const table: readonly [bad: number, good: number, isOn: boolean][] = [
    [0, 0, false],
    [1, 0, false],
    [2, 0, false],
    [3, 0, true],
    [3, 2, true],
    [3, 3, false],
    [4, 3, true],
    [4, 4, false],
    [50, 49, true],
    [50, 50, false],
  ];
  for (const [bad, good, expected] of table)
    test(`${bad} of ${bad + good}: ${expected}`, () => assert.equal(isOn(fleet(bad, good)), expected));
});

describe('only what a slow machine would look like counts', () => {
  const SOFT: readonly Cause[] = [
    'hung',
    'data_path_stuck',
    'blocked_in_kernel',
    'not_accepting',
    'slow_responses',
    'forwarding_broken',
  ];
  const CERTAIN: readonly Cause[] = [
    'crashed',
    'crash_loop',
    'stopped_by_signal',
    'not_listening',
    'port_in_use',
    'open_files_limit',
    'memory_limit',
    'cpu_limit',
    'upstream_down',
    'upstream_unhealthy',
  ];
  for (const cause of SOFT) test(cause, () => assert.equal(isOn(fleet(5, 0, cause)), true));
  for (const cause of CERTAIN) test(`not ${cause}`, () => assert.equal(isOn(fleet(5, 0, cause)), false));

  test('different ones together do', () =>
    assert.equal(isOn([failing('hung'), failing('not_accepting'), failing('slow_responses'), well()]), true));

  test('but not a port whose incident is over', () => {
    const over: Health = { ...failing('hung'), incident: null };
    assert.equal(isOn([over, over, failing('hung'), failing('hung')]), false);
  });
});

describe('the brake', () => {
  const at = (atMs: number, healths: readonly Health[], before: MassFailure) => {
    const now = detectMassFailure(before, healths, atMs);
    return { now, isOn: isPausingRestarts(now, atMs) };
  };

  test('lifts after 60 s, and stays lifted while the same goes on', () => {
    let state = NO_MASS_FAILURE;
    const seen = [1_000, 30_000, 60_999, 61_000, 500_000].map((atMs) => {
      const { now, isOn: braking } = at(atMs, fleet(3, 0), state);
      state = now;
      return braking;
    });
    assert.deepEqual(seen, [true, true, true, false, false]);
  });

  test('is released when fewer fail, and has 60 s again the next time', () => {
    let state = detectMassFailure(NO_MASS_FAILURE, fleet(3, 0), 1_000);
    state = detectMassFailure(state, fleet(2, 1), 100_000);
    assert.deepEqual(state, NO_MASS_FAILURE);
    state = detectMassFailure(state, fleet(3, 0), 200_000);
    assert.deepEqual(
      [200_000, 259_999, 260_000].map((atMs) => isPausingRestarts(state, atMs)),
      [true, true, false],
    );
  });
});
