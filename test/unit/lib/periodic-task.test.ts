import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type Clocks, createPeriodicTask, type PeriodicTask } from '../../../src/lib/periodic-task.ts';

interface Rig {
  readonly timer: PeriodicTask;
  /** "0", "1000 late": when each run began. */
  readonly runs: readonly string[];
  /** How many runs go on just now. */
  running(): number;
  /** Lets time go by on both clocks. */
  pass(ms: number): Promise<void>;
  /** The clocks go on, and nobody runs meanwhile: a busy process (both clocks), or a machine that sleeps (`wall`). */
  freeze(change: Partial<Clocks>): void;
  /** From now on runs last until `finish` is called. */
  hold(): void;
  finish(): Promise<void>;
}

/** A timer on clocks of its own, with a pause of 1 s unless told otherwise. */
const rig = (t: TestContext, intervalMs: () => number = () => 1_000): Rig => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const clocks = { wall: 1_700_000_000_000, monotonic: 0 };
  const runs: string[] = [];
  let running = 0;
  let isHeld = false;
  let release: (() => void) | undefined;
  const timer = createPeriodicTask({
    run: async (late) => {
      runs.push(`${clocks.monotonic}${late ? ' late' : ''}`);
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
  t.after(timer.stop);
  return {
    timer,
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

test('the first run comes at once, the next ones a pause later, from start to start', async (t) => {
  const { runs, pass } = rig(t);
  await pass(0);
  assert.deepEqual(runs, ['0']);
  await pass(3_000);
  assert.deepEqual(runs, ['0', '1000', '2000', '3000']);
});

test('the time that a run takes is a part of the pause', async (t) => {
  const { runs, pass, hold, finish } = rig(t);
  hold();
  await pass(400);
  await finish();
  await pass(600);
  assert.deepEqual(runs, ['0', '1000']);
});

test('a run that takes longer than the pause is followed at once, and is not late', async (t) => {
  const { runs, pass, hold, finish, running } = rig(t);
  hold();
  await pass(3_500);
  assert.deepEqual([runs, running()], [['0'], 1]);
  await finish();
  assert.deepEqual(runs, ['0', '3500']);
  await pass(1_000);
  assert.deepEqual(runs, ['0', '3500', '4500']);
});

test('the pause is asked for after each run', async (t) => {
  const pauses = [1_000, 250, 250, 2_000];
  const { runs, pass } = rig(t, () => pauses.shift() ?? 10_000);
  await pass(5_000);
  assert.deepEqual(runs, ['0', '1000', '1250', '1500', '3500']);
});

describe('again', () => {
  test('brings the next run forward', async (t) => {
    const { runs, pass, timer } = rig(t);
    await pass(300);
    timer.runIn(0);
    await pass(0);
    timer.runIn(100);
    await pass(1_500);
    assert.deepEqual(runs, ['0', '300', '400', '1400']);
  });

  test('puts the next run off', async (t) => {
    const { runs, pass, timer } = rig(t);
    await pass(300);
    timer.runIn(2_000);
    await pass(2_500);
    assert.deepEqual(runs, ['0', '2300']);
  });

  test('during a run has one more right after it, however often it is called', async (t) => {
    const { runs, pass, timer, hold, finish } = rig(t);
    hold();
    await pass(100);
    for (const ms of [0, 250, 5_000]) timer.runIn(ms);
    await pass(100);
    assert.deepEqual(runs, ['0']);
    await finish();
    assert.deepEqual(runs, ['0', '200']);
    await pass(1_000);
    assert.deepEqual(runs, ['0', '200', '1200']);
  });
});

describe('a run is late', () => {
  test('when it begins more than half a second after it was due', async (t) => {
    const { runs, pass, freeze } = rig(t);
    await pass(500);
    freeze({ wall: 1_001, monotonic: 1_001 });
    await pass(500);
    freeze({ wall: 1_000, monotonic: 1_000 });
    await pass(1_000);
    assert.deepEqual(runs, ['0', '1501 late', '3001', '4001']);
  });

  test('when it was brought forward and yet did not come', async (t) => {
    const { runs, pass, freeze, timer } = rig(t);
    await pass(200);
    timer.runIn(0);
    freeze({ wall: 501, monotonic: 501 });
    await pass(0);
    assert.deepEqual(runs, ['0', '701 late']);
  });

  for (const [name, wall] of [
    ['when the machine slept', 3_600_000],
    ['when the wall clock was set back', -3_600_000],
  ] as const)
    test(`${name}, and the next one is not`, async (t) => {
      const { runs, pass, freeze } = rig(t);
      await pass(500);
      freeze({ wall });
      await pass(2_000);
      assert.deepEqual(runs, ['0', '1000 late', '2000']);
    });

  test('when the machine slept during the run before', async (t) => {
    const { runs, pass, freeze, hold, finish } = rig(t);
    hold();
    await pass(100);
    freeze({ wall: 60_000 });
    await finish();
    await pass(2_000);
    assert.deepEqual(runs, ['0', '1000 late', '2000']);
  });

  test('but not for a clock that is corrected by less than two seconds', async (t) => {
    const { runs, pass, freeze } = rig(t);
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
    const { runs, pass, timer } = rig(t);
    timer.stop();
    await pass(2_000);
    assert.deepEqual(runs, []);
  });

  test('between two runs, and nothing brings one back', async (t) => {
    const { runs, pass, timer } = rig(t);
    await pass(500);
    timer.stop();
    timer.runIn(0);
    await pass(2_000);
    assert.deepEqual(runs, ['0']);
  });

  test('during a run, which is the last one, asked again or not', async (t) => {
    const { runs, pass, timer, hold, finish } = rig(t);
    hold();
    await pass(100);
    timer.runIn(0);
    timer.stop();
    await finish();
    await pass(2_000);
    assert.deepEqual(runs, ['0']);
  });
});
