import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  addSample,
  describeUsage,
  type Limits,
  levelsOf,
  NO_SAMPLES,
  type ResourceSample,
  type SampleHistory,
  usageOf,
} from '../../../src/health/resource-limits.ts';

const MB = 1_000_000;
const LIMITS: Limits = {
  memoryBytes: { warn: 200 * MB, restart: 400 * MB },
  cpuPercent: { warn: 90, restart: 150 },
  openFilesPercent: { warn: 80, restart: 95 },
  lagMs: { warn: 100, restart: 250 },
};

/** A sample of a process that is well and uses 1 % of a CPU. */
const sample = (at: number, change: Partial<ResourceSample> = {}): ResourceSample => ({
  at,
  pid: 100,
  rssBytes: 100 * MB,
  cpuMs: at / 100,
  openFiles: 20,
  openFilesLimit: 1_000,
  responseMs: 2,
  ...change,
});
const historyOf = (samples: readonly ResourceSample[]): SampleHistory =>
  samples.reduce(addSample, NO_SAMPLES);
/** One sample every 5 s, from 0 up to `untilMs` and including it. */
const every5s = (
  untilMs: number,
  change: (at: number) => Partial<ResourceSample> = () => ({}),
): SampleHistory =>
  historyOf(
    Array.from({ length: untilMs / 5_000 + 1 }, (_, index) => sample(index * 5_000, change(index * 5_000))),
  );

test('what a process used before its first answer counts until then only', () => {
  const young = sample(0, { rssBytes: 3 * MB, openFiles: 5, responseMs: undefined });
  const memoryOf = (...samples: readonly ResourceSample[]) => usageOf(historyOf(samples)).memoryBytes;
  assert.equal(memoryOf(young), 3 * MB);
  assert.equal(memoryOf(young, sample(250)), 100 * MB);
  const silent = sample(5_250, { rssBytes: 50 * MB, responseMs: undefined });
  assert.equal(memoryOf(young, sample(250), silent, sample(10_250)), 50 * MB);
});

describe('the levels are not known', () => {
  test('for a process without samples', () => {
    assert.deepEqual(levelsOf(NO_SAMPLES, LIMITS), {
      openFiles: 'unknown',
      memory: 'unknown',
      cpu: 'unknown',
      lag: 'unknown',
    });
  });

  test('for a young process, except its open files', () => {
    const levels = (untilMs: number) =>
      levelsOf(
        every5s(untilMs, () => ({ rssBytes: 900 * MB, responseMs: 900, cpuMs: undefined })),
        LIMITS,
      );
    assert.deepEqual(levels(0), { openFiles: 'ok', memory: 'unknown', cpu: 'unknown', lag: 'unknown' });
    assert.deepEqual([levels(20_000).memory, levels(20_000).lag], ['unknown', 'unknown']);
    assert.deepEqual([levels(25_000).memory, levels(25_000).lag], ['restart', 'restart']);
  });

  test('for the CPU of a process that was sampled for less than most of a minute', () => {
    const cpu = (untilMs: number) =>
      levelsOf(
        every5s(untilMs, (at) => ({ cpuMs: at * 2 })),
        LIMITS,
      ).cpu;
    assert.deepEqual([45_000, 50_000].map(cpu), ['unknown', 'restart']);
  });

  test('where the system does not say', () => {
    const nothing = {
      rssBytes: undefined,
      cpuMs: undefined,
      openFiles: undefined,
      openFilesLimit: undefined,
      responseMs: undefined,
    };
    const history = every5s(120_000, () => nothing);
    assert.deepEqual(levelsOf(history, LIMITS), levelsOf(NO_SAMPLES, LIMITS));
    assert.deepEqual(usageOf(history), usageOf(NO_SAMPLES));
  });
});

describe('each quantity has its level', () => {
  const levelsWith = (change: Partial<ResourceSample>) =>
    levelsOf(
      every5s(60_000, () => change),
      LIMITS,
    );
  const table: readonly [
    change: Partial<ResourceSample>,
    kind: keyof ReturnType<typeof levelsOf>,
    level: string,
  ][] = [
    [{ rssBytes: 199 * MB }, 'memory', 'ok'],
    [{ rssBytes: 200 * MB }, 'memory', 'warn'],
    [{ rssBytes: 400 * MB }, 'memory', 'restart'],
    [{ openFiles: 799 }, 'openFiles', 'ok'],
    [{ openFiles: 800 }, 'openFiles', 'warn'],
    [{ openFiles: 950 }, 'openFiles', 'restart'],
    [{ openFiles: 5, openFilesLimit: undefined }, 'openFiles', 'unknown'],
    [{ responseMs: 99 }, 'lag', 'ok'],
    [{ responseMs: 100 }, 'lag', 'warn'],
    [{ responseMs: 250 }, 'lag', 'restart'],
  ];
  for (const [change, kind, level] of table)
    test(`${JSON.stringify(change)}: ${level}`, () => assert.equal(levelsWith(change)[kind], level));

  for (const [percent, level] of [
    [89, 'ok'],
    [90, 'warn'],
    [149, 'warn'],
    [150, 'restart'],
  ] as const)
    test(`${percent} % of a core: ${level}`, () => {
      const history = every5s(60_000, (at) => ({ cpuMs: (at * percent) / 100 }));
      assert.equal(levelsOf(history, LIMITS).cpu, level);
      assert.equal(usageOf(history).cpuPercent, percent);
    });

  test('0 is no limit', () => {
    const none = { warn: 0, restart: 0 };
    const limits = { memoryBytes: none, cpuPercent: none, openFilesPercent: none, lagMs: none };
    const high = every5s(60_000, (at) => ({
      rssBytes: 9e12,
      cpuMs: at * 64,
      openFiles: 1_000,
      responseMs: 9_999,
    }));
    assert.deepEqual(levelsOf(high, limits), { openFiles: 'ok', memory: 'ok', cpu: 'ok', lag: 'ok' });
    const onlyRestart = { ...limits, memoryBytes: { warn: 0, restart: 400 * MB } };
    assert.equal(levelsOf(high, onlyRestart).memory, 'restart');
  });
});

describe('a peak is no fault', () => {
  test('memory and lag count by their minimum within 30 s', () => {
    const lowAt = 55_000;
    const peaks = (untilMs: number) =>
      every5s(untilMs, (at) => (at === lowAt ? {} : { rssBytes: 900 * MB, responseMs: 900 }));
    const levels = [lowAt, lowAt + 30_000, lowAt + 35_000].map((untilMs) => levelsOf(peaks(untilMs), LIMITS));
    assert.deepEqual(
      levels.map(({ memory }) => memory),
      ['ok', 'ok', 'restart'],
    );
    assert.deepEqual(
      levels.map(({ lag }) => lag),
      ['ok', 'ok', 'restart'],
    );
  });

  test('missing samples in between do not matter', () => {
    const history = every5s(60_000, (at) => ({
      responseMs: at % 10_000 === 0 ? 900 : undefined,
      rssBytes: at % 10_000 === 0 ? 900 * MB : undefined,
    }));
    assert.deepEqual(
      [levelsOf(history, LIMITS).memory, levelsOf(history, LIMITS).lag],
      ['restart', 'restart'],
    );
  });

  test('CPU counts by its average over the last minute', () => {
    const busy = (fromAt: number, toAt: number) => (at: number) => ({
      cpuMs: 3 * Math.max(0, Math.min(at, toAt) - fromAt),
    });
    const cpu = (history: SampleHistory) => usageOf(history).cpuPercent;
    assert.equal(cpu(every5s(60_000, busy(40_000, 60_000))), 100);
    assert.equal(cpu(every5s(300_000, busy(40_000, 60_000))), 0);
  });
});

test('another process begins a new history', () => {
  const high = every5s(60_000, (at) => ({
    rssBytes: 900 * MB,
    cpuMs: at * 2,
    responseMs: 900,
    openFiles: 999,
  }));
  const next = addSample(high, sample(65_000, { pid: 200 }));
  assert.deepEqual(levelsOf(next, LIMITS), {
    openFiles: 'ok',
    memory: 'unknown',
    cpu: 'unknown',
    lag: 'unknown',
  });
  assert.equal(next.samples.length, 1);
});

test('the history does not grow with time', () => {
  const { samples, troughs } = every5s(86_400_000);
  assert.ok(samples.length < 20 && troughs.length < 10);
});

describe('memory grows without end', () => {
  const TEN_MIN_MS = 600_000;
  /** A saw-tooth of memory with these minima in MB, each for ten minutes, and then half a minute at the next peak. */
  const sawTooth = (...troughs: readonly number[]): SampleHistory => {
    const endMs = troughs.length * TEN_MIN_MS;
    const peakMb = 2 * (troughs.at(-1) ?? 0);
    return historyOf([
      ...troughs.flatMap((mb, index) =>
        [2, 1, 1.5, 2].map((factor, part) =>
          sample(index * TEN_MIN_MS + part * 150_000, { rssBytes: mb * factor * MB }),
        ),
      ),
      ...Array.from({ length: 7 }, (_, index) => sample(endMs + index * 5_000, { rssBytes: peakMb * MB })),
    ]);
  };
  const levelAt = (history: SampleHistory, restartMb = 0) =>
    levelsOf(history, { ...LIMITS, memoryBytes: { warn: 0, restart: restartMb * MB } }).memory;

  const table: Readonly<Record<string, readonly [troughs: readonly number[], level: string]>> = {
    'when its minimum rose each ten minutes for an hour, by half in all': [
      [50, 55, 60, 65, 70, 75, 80],
      'growing',
    ],
    'not when it rose for less than an hour': [[50, 60, 70, 80, 90, 100], 'ok'],
    'not when it rose by less than half, whatever its present peak is': [[50, 51, 52, 53, 54, 55, 56], 'ok'],
    'not when it fell once': [[50, 55, 60, 58, 70, 75, 80], 'ok'],
    'not when it stayed once': [[50, 55, 60, 60, 70, 75, 80], 'ok'],
    'by the last hour alone': [[90, 20, 50, 55, 60, 65, 70, 75, 80], 'growing'],
    'not when it has come to rest': [[50, 55, 60, 65, 70, 75, 80, 80], 'ok'],
  };
  for (const [name, [troughs, expected]] of Object.entries(table))
    test(name, () => assert.equal(levelAt(sawTooth(...troughs)), expected));

  test('which counts only while no limit is reached', () => {
    const history = sawTooth(50, 55, 60, 65, 70, 75, 80);
    assert.deepEqual([levelAt(history, 161), levelAt(history, 160)], ['growing', 'restart']);
  });
});

describe('the usage over a limit, in words', () => {
  const usage = {
    memoryBytes: 210 * MB,
    cpuPercent: 120,
    openFiles: 960,
    openFilesLimit: 1_000,
    lagMs: 301.4,
  };
  const table: readonly [cause: string, text: string | null][] = [
    ['memory_limit', '210 MB of memory (limit 200 MB)'],
    ['cpu_limit', '120 % of a core (limit 90 %)'],
    ['open_files_limit', '960 of 1000 open files'],
    ['slow_responses', 'answers take 301 ms (limit 250 ms)'],
    ['hung', null],
  ];
  for (const [cause, text] of table)
    test(`${cause}: ${text}`, () => assert.equal(describeUsage(cause, usage, LIMITS), text));

  test('null where nothing is known', () => {
    for (const [cause] of table) assert.equal(describeUsage(cause, usageOf(NO_SAMPLES), LIMITS), null);
  });
});
