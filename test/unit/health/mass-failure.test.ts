import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { detectMassFailure, isPausingRestarts, NO_MASS_FAILURE } from '../../../src/health/mass-failure.ts';
import { createHealth, type Health } from '../../../src/health/state.ts';
import type { Cause } from '../../../src/health/types.ts';

const failing = (cause: Cause): Health => ({
  ...createHealth(0),
  state: 'degraded',
  cause,
  incident: {
    startedAt: 0,
    lastFailedAt: 0,
    pid: 1,
    upstream: null,
    cause,
    causeFailures: 1,
    loggedCauses: [],
    actions: [],
    alerted: false,
    isProxyFault: true,
    recoveringSince: null,
  },
});
const well = (): Health => ({ ...createHealth(0), state: 'up' });
const fleet = (failingCount: number, wellCount: number, cause: Cause = 'hung'): readonly Health[] => [
  ...Array.from({ length: failingCount }, () => failing(cause)),
  ...Array.from({ length: wellCount }, well),
];
const isPaused = (healths: readonly Health[]): boolean =>
  isPausingRestarts(detectMassFailure(NO_MASS_FAILURE, healths, 1_000), 1_000);

describe('the machine is suspected when three ports or more fail at once, and more than half of all', () => {
  const table: readonly [failingCount: number, wellCount: number, isPaused: boolean][] = [
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
  for (const [failingCount, wellCount, expected] of table)
    test(`${failingCount} of ${failingCount + wellCount}: ${expected}`, () =>
      assert.equal(isPaused(fleet(failingCount, wellCount)), expected));
});

describe('only causes that a slow machine would produce count', () => {
  const LOAD_SENSITIVE: readonly Cause[] = [
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
  for (const cause of LOAD_SENSITIVE) test(cause, () => assert.equal(isPaused(fleet(5, 0, cause)), true));
  for (const cause of CERTAIN) test(`not ${cause}`, () => assert.equal(isPaused(fleet(5, 0, cause)), false));

  test('different ones count together', () =>
    assert.equal(
      isPaused([failing('hung'), failing('not_accepting'), failing('slow_responses'), well()]),
      true,
    ));

  test('a port whose incident is over does not count', () => {
    const over: Health = { ...failing('hung'), incident: null };
    assert.equal(isPaused([over, over, failing('hung'), failing('hung')]), false);
  });
});

describe('restarts', () => {
  test('are paused for 60 s, and stay allowed while the same mass failure goes on', () => {
    let state = NO_MASS_FAILURE;
    const isPaused = [1_000, 30_000, 60_999, 61_000, 500_000].map((at) => {
      state = detectMassFailure(state, fleet(3, 0), at);
      return isPausingRestarts(state, at);
    });
    assert.deepEqual(isPaused, [true, true, true, false, false]);
  });

  test('are allowed when fewer fail, and are paused for 60 s again the next time', () => {
    let state = detectMassFailure(NO_MASS_FAILURE, fleet(3, 0), 1_000);
    state = detectMassFailure(state, fleet(2, 1), 100_000);
    assert.deepEqual(state, NO_MASS_FAILURE);
    state = detectMassFailure(state, fleet(3, 0), 200_000);
    assert.deepEqual(
      [200_000, 259_999, 260_000].map((at) => isPausingRestarts(state, at)),
      [true, true, false],
    );
  });
});
