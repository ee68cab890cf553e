import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  addSample,
  describeUsage,
  type Limits,
  levelsOf,
  NO_SAMPLES,
  type Sample,
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

/** Of a process that is well, with 1 % of CPU; a look every 5 s as the monitor has them. */
const sample = (at: number, change: Partial<Sample> = {}): Sample => ({
  at,
  pid: 100,
  rssBytes: 100 * MB,
  cpuMs: at / 100,
  openFiles: 20,
  openFilesLimit: 1_000,
  lagMs: 2,
  ...change,
});
const tracked = (samples: readonly Sample[], from: SampleHistory = NO_SAMPLES): SampleHistory =>
  samples.reduce(addSample, from);
/** One sample every 5 s up to and with `untilMs`. */
const every5s = (untilMs: number, change: (at: number) => Partial<Sample> = () => ({})): SampleHistory =>
  tracked(Array.from({ length: untilMs / 5_000 + 1 }, (_, at) => sample(at * 5_000, change(at * 5_000))));

describe('nothing is known of a process', () => {
  test('that was never looked at', () => {
    assert.deepEqual(levelsOf(NO_SAMPLES, LIMITS), {
      openFiles: 'unknown',
      memory: 'unknown',
      cpu: 'unknown',
      lag: 'unknown',
    });
  });

  test('that is young, but for its open files', () => {
    const levels = (untilMs: number) =>
      levelsOf(
        every5s(untilMs, () => ({ rssBytes: 900 * MB, lagMs: 900, cpuMs: undefined })),
        LIMITS,
      );
    assert.deepEqual(levels(0), { openFiles: 'ok', memory: 'unknown', cpu: 'unknown', lag: 'unknown' });
    assert.deepEqual([levels(20_000).memory, levels(20_000).lag], ['unknown', 'unknown']);
    assert.deepEqual([levels(25_000).memory, levels(25_000).lag], ['restart', 'restart']);
  });

  test('whose CPU has not been watched for most of a minute', () => {
    const cpu = (untilMs: number) =>
      levelsOf(
        every5s(untilMs, (at) => ({ cpuMs: at * 2 })),
        LIMITS,
      ).cpu;
    assert.deepEqual([45_000, 50_000].map(cpu), ['unknown', 'restart']);
  });

  test('where the system does not tell', () => {
    const nothing = {
      rssBytes: undefined,
      cpuMs: undefined,
      openFiles: undefined,
      openFilesLimit: undefined,
      lagMs: undefined,
    };
    const seen = every5s(120_000, () => nothing);
    assert.deepEqual(levelsOf(seen, LIMITS), levelsOf(NO_SAMPLES, LIMITS));
    assert.deepEqual(usageOf(seen), usageOf(NO_SAMPLES));
  });
});

describe('each quantity has its level', () => {
  const at = (change: Partial<Sample>) =>
    levelsOf(
      every5s(60_000, () => change),
      LIMITS,
    );
  const table: readonly [change: Partial<Sample>, kind: keyof ReturnType<typeof levelsOf>, level: string][] =
    [
      [{ rssBytes: 199 * MB }, 'memory', 'ok'],
      [{ rssBytes: 200 * MB }, 'memory', 'warn'],
      [{ rssBytes: 400 * MB }, 'memory', 'restart'],
      [{ openFiles: 799 }, 'openFiles', 'ok'],
      [{ openFiles: 800 }, 'openFiles', 'warn'],
      [{ openFiles: 950 }, 'openFiles', 'restart'],
      [{ openFiles: 5, openFilesLimit: undefined }, 'openFiles', 'unknown'],
      [{ lagMs: 99 }, 'lag', 'ok'],
      [{ lagMs: 100 }, 'lag', 'warn'],
      [{ lagMs: 250 }, 'lag', 'restart'],
    ];
  for (const [change, kind, level] of table)
    test(`${JSON.stringify(change)}: ${level}`, () => assert.equal(at(change)[kind], level));

  for (const [percent, level] of [
    [89, 'ok'],
    [90, 'warn'],
    [149, 'warn'],
    [150, 'restart'],
  ] as const)
    test(`${percent} % of a core: ${level}`, () => {
      const seen = every5s(60_000, (at) => ({ cpuMs: (at * percent) / 100 }));
      assert.equal(levelsOf(seen, LIMITS).cpu, level);
      assert.equal(usageOf(seen).cpuPercent, percent);
    });

  test('0 is no limit', () => {
    const none = { warn: 0, restart: 0 };
    const limits = { memoryBytes: none, cpuPercent: none, openFilesPercent: none, lagMs: none };
    const high = every5s(60_000, (at) => ({
      rssBytes: 9e12,
      cpuMs: at * 64,
      openFiles: 1_000,
      lagMs: 9_999,
    }));
    assert.deepEqual(levelsOf(high, limits), { openFiles: 'ok', memory: 'ok', cpu: 'ok', lag: 'ok' });
    const onlyAct = { ...limits, memoryBytes: { warn: 0, restart: 400 * MB } };
    assert.equal(levelsOf(high, onlyAct).memory, 'restart');
  });
});

describe('a peak is no fault', () => {
  test('memory and lag count by their least within 30 s', () => {
    const low = 55_000;
    const peaks = (untilMs: number) =>
      every5s(untilMs, (at) => (at === low ? {} : { rssBytes: 900 * MB, lagMs: 900 }));
    const levels = [low, low + 30_000, low + 35_000].map((untilMs) => levelsOf(peaks(untilMs), LIMITS));
    assert.deepEqual(
      levels.map(({ memory }) => memory),
      ['ok', 'ok', 'restart'],
    );
    assert.deepEqual(
      levels.map(({ lag }) => lag),
      ['ok', 'ok', 'restart'],
    );
  });

  test('what is not known in between does not interrupt it', () => {
    const seen = every5s(60_000, (at) => ({
      lagMs: at % 10_000 === 0 ? 900 : undefined,
      rssBytes: at % 10_000 === 0 ? 900 * MB : undefined,
    }));
    assert.deepEqual([levelsOf(seen, LIMITS).memory, levelsOf(seen, LIMITS).lag], ['restart', 'restart']);
  });

  test('CPU counts by its mean over the last minute', () => {
    const busy = (fromMs: number, toMs: number) => (at: number) => ({
      cpuMs: 3 * Math.max(0, Math.min(at, toMs) - fromMs),
    });
    const cpu = (seen: SampleHistory) => usageOf(seen).cpuPercent;
    assert.equal(cpu(every5s(60_000, busy(40_000, 60_000))), 100);
    assert.equal(cpu(every5s(300_000, busy(40_000, 60_000))), 0);
  });
});

test('another process begins anew', () => {
  const high = every5s(60_000, (at) => ({
    rssBytes: 900 * MB,
    cpuMs: at * 2,
    lagMs: 900,
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

test('what is kept does not grow with time', () => {
  const seen = every5s(86_400_000);
  assert.ok(seen.samples.length < 20 && seen.troughs.length < 10);
});

describe('memory grows without end', () => {
  const TEN_MIN_MS = 600_000;
  /** A saw-tooth whose trough in each ten minutes is as given, in MB, and then half a minute at the next peak. */
  const teeth = (...troughs: readonly number[]): SampleHistory => {
    const endMs = troughs.length * TEN_MIN_MS;
    const peakMb = 2 * (troughs.at(-1) ?? 0);
    return tracked([
      ...troughs.flatMap((mb, at) =>
        [2, 1, 1.5, 2].map((factor, part) =>
          sample(at * TEN_MIN_MS + part * 150_000, { rssBytes: mb * factor * MB }),
        ),
      ),
      ...Array.from({ length: 7 }, (_, at) => sample(endMs + at * 5_000, { rssBytes: peakMb * MB })),
    ]);
  };
  const level = (seen: SampleHistory, act = 0) =>
    levelsOf(seen, { ...LIMITS, memoryBytes: { warn: 0, restart: act * MB } }).memory;

  const table: Readonly<Record<string, readonly [troughs: readonly number[], level: string]>> = {
    'when its trough rose each ten minutes for an hour, by half in all': [
      [50, 55, 60, 65, 70, 75, 80],
      'growing',
    ],
    'not when it rose for less than an hour': [[50, 60, 70, 80, 90, 100], 'ok'],
    'not when it rose by less than half, whatever its peak is just now': [[50, 51, 52, 53, 54, 55, 56], 'ok'],
    'not when it fell once': [[50, 55, 60, 58, 70, 75, 80], 'ok'],
    'not when it stayed once': [[50, 55, 60, 60, 70, 75, 80], 'ok'],
    'by the last hour alone': [[90, 20, 50, 55, 60, 65, 70, 75, 80], 'growing'],
    'not when it has come to rest': [[50, 55, 60, 65, 70, 75, 80, 80], 'ok'],
  };
  for (const [name, [troughs, expected]] of Object.entries(table))
    test(name, () => assert.equal(level(teeth(...troughs)), expected));

  test('which is told only while no limit is reached', () => {
    const seen = teeth(50, 55, 60, 65, 70, 75, 80);
    assert.deepEqual([level(seen, 161), level(seen, 160)], ['growing', 'restart']);
  });
});

describe('what is over a limit, in words', () => {
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

  test('nothing where nothing is known', () => {
    for (const [cause] of table) assert.equal(describeUsage(cause, usageOf(NO_SAMPLES), LIMITS), null);
  });
});
