import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  type Clocks,
  createPeriodicTask,
  type PeriodicTask,
} from '../../../../src/lib/timers/periodic-task.ts';

interface Harness {
  readonly task: PeriodicTask;
  /** When each run began: "0", "1000 late". */
  readonly runs: readonly string[];
  /** The number of runs that are under way. */
  running(): number;
  /** Moves both clocks and the timers. */
  pass(ms: number): Promise<void>;
  /** Moves clocks while no run can begin: both for a busy process, `wall` alone for a machine that sleeps. */
  freeze(change: Partial<Clocks>): void;
  /** From now on runs last until `finish` is called. */
  hold(): void;
  finish(): Promise<void>;
}

/** A task on clocks of its own. Default interval: 1 s. */
const createHarness = (t: TestContext, intervalMs: () => number = () => 1_000): Harness => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const clocks = { wall: 1_700_000_000_000, monotonic: 0 };
  const runs: string[] = [];
  let running = 0;
  let isHeld = false;
  let release: (() => void) | undefined;
  const task = createPeriodicTask({
    run: async (isLate) => {
      runs.push(`${clocks.monotonic}${isLate ? ' late' : ''}`);
      running += 1;
      assert.equal(running, 1, 'two runs at a time');
      if (isHeld)
        await new Promise<void>((done) => {
          release = done;
        });
      running -= 1;
    },
    intervalMs,
    readClocks: () => ({ ...clocks }),
  });
  t.after(task.stop);
  return {
    task,
    runs,
    running: () => running,
    pass: async (ms) => {
      t.mock.timers.tick(0);
      await turn();
      for (let passed = 0; passed < ms; passed += STEP_MS) {
        clocks.wall += STEP_MS;
        clocks.monotonic += STEP_MS;
        t.mock.timers.tick(STEP_MS);
        await turn();
        t.mock.timers.tick(0);
        await turn();
      }
    },
    freeze: ({ wall = 0, monotonic = 0 }) => {
      clocks.wall += wall;
      clocks.monotonic += monotonic;
      t.mock.timers.tick(monotonic);
    },
    hold: () => {
      isHeld = true;
    },
    finish: async () => {
      isHeld = false;
      release?.();
      await turn();
      t.mock.timers.tick(0);
      await turn();
    },
  };
};
const STEP_MS = 50;

test('the first run comes at once, the next ones an interval later, from start to start', async (t) => {
  const { runs, pass } = createHarness(t);
  await pass(0);
  assert.deepEqual(runs, ['0']);
  await pass(3_000);
  assert.deepEqual(runs, ['0', '1000', '2000', '3000']);
});

test('the time that a run takes is a part of the interval', async (t) => {
  const { runs, pass, hold, finish } = createHarness(t);
  hold();
  await pass(400);
  await finish();
  await pass(600);
  assert.deepEqual(runs, ['0', '1000']);
});

test('a run that takes longer than the interval is followed at once by one that is not late', async (t) => {
  const { runs, pass, hold, finish, running } = createHarness(t);
  hold();
  await pass(3_500);
  assert.deepEqual([runs, running()], [['0'], 1]);
  await finish();
  assert.deepEqual(runs, ['0', '3500']);
  await pass(1_000);
  assert.deepEqual(runs, ['0', '3500', '4500']);
});

test('the interval is asked for after each run', async (t) => {
  const intervals = [1_000, 250, 250, 2_000];
  const { runs, pass } = createHarness(t, () => intervals.shift() ?? 10_000);
  await pass(5_000);
  assert.deepEqual(runs, ['0', '1000', '1250', '1500', '3500']);
});

describe('runIn', () => {
  test('brings the next run forward', async (t) => {
    const { runs, pass, task } = createHarness(t);
    await pass(300);
    task.runIn(0);
    await pass(0);
    task.runIn(100);
    await pass(1_500);
    assert.deepEqual(runs, ['0', '300', '400', '1400']);
  });

  test('puts the next run back', async (t) => {
    const { runs, pass, task } = createHarness(t);
    await pass(300);
    task.runIn(2_000);
    await pass(2_500);
    assert.deepEqual(runs, ['0', '2300']);
  });

  test('during a run has one more right after it, however often it is called', async (t) => {
    const { runs, pass, task, hold, finish } = createHarness(t);
    hold();
    await pass(100);
    for (const ms of [0, 250, 5_000]) task.runIn(ms);
    await pass(100);
    assert.deepEqual(runs, ['0']);
    await finish();
    assert.deepEqual(runs, ['0', '200']);
    await pass(1_000);
    assert.deepEqual(runs, ['0', '200', '1200']);
  });
});

describe('runWithin', () => {
  test('brings the next run forward', async (t) => {
    const { runs, pass, task } = createHarness(t);
    await pass(300);
    task.runWithin(100);
    await pass(1_500);
    assert.deepEqual(runs, ['0', '400', '1400']);
  });

  test('leaves a run that comes sooner where it is', async (t) => {
    const { runs, pass, task } = createHarness(t);
    await pass(300);
    task.runIn(100);
    task.runWithin(2_000);
    await pass(1_500);
    assert.deepEqual(runs, ['0', '400', '1400']);
  });

  test('during a run has one more right after it', async (t) => {
    const { runs, pass, task, hold, finish } = createHarness(t);
    hold();
    await pass(100);
    task.runWithin(5_000);
    await pass(100);
    await finish();
    assert.deepEqual(runs, ['0', '200']);
  });
});

describe('a run is late', () => {
  test('when it begins more than half a second after it was due', async (t) => {
    const { runs, pass, freeze } = createHarness(t);
    await pass(500);
    freeze({ wall: 1_001, monotonic: 1_001 });
    await pass(500);
    freeze({ wall: 1_000, monotonic: 1_000 });
    await pass(1_000);
    assert.deepEqual(runs, ['0', '1501 late', '3001', '4001']);
  });

  test('when it was brought forward, but did not come in time', async (t) => {
    const { runs, pass, freeze, task } = createHarness(t);
    await pass(200);
    task.runIn(0);
    freeze({ wall: 501, monotonic: 501 });
    await pass(0);
    assert.deepEqual(runs, ['0', '701 late']);
  });

  for (const [name, wall] of [
    ['when the machine slept', 3_600_000],
    ['when the wall clock was set back', -3_600_000],
  ] as const)
    test(`${name}, and the next one is not`, async (t) => {
      const { runs, pass, freeze } = createHarness(t);
      await pass(500);
      freeze({ wall });
      await pass(2_000);
      assert.deepEqual(runs, ['0', '1000 late', '2000']);
    });

  test('when the machine slept during the run before', async (t) => {
    const { runs, pass, freeze, hold, finish } = createHarness(t);
    hold();
    await pass(100);
    freeze({ wall: 60_000 });
    await finish();
    await pass(2_000);
    assert.deepEqual(runs, ['0', '1000 late', '2000']);
  });

  test('but not after the clock was corrected by less than two seconds', async (t) => {
    const { runs, pass, freeze } = createHarness(t);
    await pass(500);
    freeze({ wall: 2_000 });
    await pass(500);
    freeze({ wall: -2_000 });
    await pass(1_000);
    assert.deepEqual(runs, ['0', '1000', '2000']);
  });
});

describe('stop', () => {
  test('before the first run', async (t) => {
    const { runs, pass, task } = createHarness(t);
    task.stop();
    await pass(2_000);
    assert.deepEqual(runs, []);
  });

  test('between two runs, and nothing brings one back', async (t) => {
    const { runs, pass, task } = createHarness(t);
    await pass(500);
    task.stop();
    task.runIn(0);
    await pass(2_000);
    assert.deepEqual(runs, ['0']);
  });

  test('during a run, which is the last one even after runIn', async (t) => {
    const { runs, pass, task, hold, finish } = createHarness(t);
    hold();
    await pass(100);
    task.runIn(0);
    task.stop();
    await finish();
    await pass(2_000);
    assert.deepEqual(runs, ['0']);
  });
});
