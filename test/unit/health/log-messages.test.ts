import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Evidence } from '../../../src/health/types.ts';
import { formatDuration } from '../../../src/lib/duration.ts';
import { HUNG, inWords, NOT_THERE, startStory, UPSTREAM_DOWN } from '../../support/health-scenario.ts';

test('a proxy that goes and is brought back is told in the words of the old system', () => {
  const story = startStory();
  const lines = [
    ...inWords(story.look(10_000, NOT_THERE, null)),
    ...inWords(story.tell({ kind: 'remedy_done', at: 10_100, remedy: 'start', error: null })),
    ...inWords(story.look(10_200, {}, 439_841)),
    ...inWords(story.look(10_450, {}, 439_841)),
  ];
  assert.deepEqual(lines, [
    '⚠️  Proxy for port 6274 is not running (failure #1)',
    'Attempting to restart proxy for port 6274...',
    'restart start crashed',
    '✅ Proxy for port 6274 started successfully (PID: 439841)',
  ]);
});

test('an incident without a restart ends with its duration', () => {
  const story = startStory();
  story.look(10_000, UPSTREAM_DOWN);
  story.look(12_500);
  assert.deepEqual(inWords(story.look(13_000)), ['✅ Proxy for port 6274 is healthy again after 2.5 s']);
});

describe('each cause is told in its own words', () => {
  const table: readonly [seen: Partial<Evidence>, line: string][] = [
    [{ process: 'gone' }, 'Proxy for port 6274 is not running'],
    [HUNG, 'Proxy for port 6274 is not responding'],
    [{ listening: 'in_use' }, 'Proxy for port 6274 cannot listen: the port is in use'],
    [{ listening: 'none' }, 'Proxy for port 6274 is not listening'],
    [{ accepts: 'failed' }, 'Proxy for port 6274 is not accepting connections'],
    [UPSTREAM_DOWN, 'Proxy for port 6274 has no upstream: localhost:6274 does not answer'],
    [{ endToEnd: 'failed' }, 'Proxy for port 6274 does not forward, though localhost:6274 answers'],
  ];
  for (const [seen, line] of table)
    test(line, () => assert.deepEqual(inWords(startStory().look(10_000, seen)), [`⚠️  ${line} (failure #1)`]));
});

const tell = (atMs: number, story = startStory(), seen: Partial<Evidence> = HUNG): readonly string[] =>
  inWords(story.look(atMs, seen)).filter((line) => line.includes('ALERT'));

test('the alert comes once an incident, at the threshold', () => {
  const story = startStory();
  const alerts = [10_000, 10_250, 10_500, 10_750, 11_000].map((atMs) => tell(atMs, story));
  const alert = '🚨 ALERT: Proxy for port 6274 is not responding: 3 failures since it was last healthy';
  assert.deepEqual(alerts, [[], [], [alert], [], []]);
});

test('the alert comes though each restart begins the count of consecutive failures anew', () => {
  const story = startStory();
  const alerts = [10_000, 12_000, 15_000].flatMap((at) => {
    const lines = inWords(story.look(at, NOT_THERE, null));
    story.tell({ kind: 'remedy_done', at, remedy: 'start', error: null });
    return lines.filter((line) => line.includes('ALERT') || line.includes('#'));
  });
  assert.deepEqual(alerts, [
    '⚠️  Proxy for port 6274 is not running (failure #1)',
    '⚠️  Proxy for port 6274 is not running (failure #1)',
    '⚠️  Proxy for port 6274 is not running (failure #1)',
    '🚨 ALERT: Proxy for port 6274 is not running: 3 failures since it was last healthy',
  ]);
});

test('a success in between does not put the alert off', () => {
  const story = startStory();
  const seen = [HUNG, {}, HUNG, {}, HUNG];
  const alerts = seen.flatMap((one, index) => tell(10_000 + index * 250, story, one));
  assert.equal(alerts.length, 1);
});

test('the next incident has an alert of its own', () => {
  const story = startStory();
  for (const atMs of [10_000, 10_250, 10_500]) story.look(atMs, UPSTREAM_DOWN);
  for (const atMs of [11_000, 12_000]) story.look(atMs);
  const alerts = [20_000, 20_250, 20_500].map((atMs) => tell(atMs, story, UPSTREAM_DOWN).length);
  assert.deepEqual(alerts, [0, 0, 1]);
});

test('after the threshold only every 60th failure is told', () => {
  const story = startStory();
  const told = Array.from({ length: 130 }, (_, index) => index + 1).filter((count) =>
    inWords(story.look(10_000 + count * 1_000, UPSTREAM_DOWN)).some((line) => line.includes('(failure #')),
  );
  assert.deepEqual(told, [1, 2, 3, 60, 120]);
});

test('a recovery is timed from the first failure to the first of the successes that ended it', () => {
  const story = startStory();
  const seen: readonly [atMs: number, seen: Partial<Evidence>][] = [
    [10_000, HUNG],
    [10_250, {}],
    [10_500, HUNG],
    [11_000, {}],
    [11_400, {}],
    [20_000, HUNG],
    [20_500, {}],
    [20_700, {}],
  ];
  for (const [atMs, one] of seen) story.look(atMs, one);
  assert.deepEqual(story.health().recovery, { count: 2, lastMs: 500, totalMs: 1_500 });
  const { boundsMs, counts, sumMs } = story.health().recoveries;
  assert.deepEqual(
    [boundsMs.slice(0, 3), counts.slice(0, 4), sumMs],
    [[250, 500, 1_000], [0, 1, 1, 0], 1_500],
  );
});

test('a clock that was set back gives a recovery of 0 ms, not a negative one', () => {
  const story = startStory();
  story.look(10_000, HUNG);
  for (const atMs of [8_000, 8_250]) story.look(atMs);
  assert.deepEqual(story.health().recovery, { count: 1, lastMs: 0, totalMs: 0 });
});

test('a duration is short: milliseconds, seconds with one decimal, minutes', () => {
  const texts = [0, 999, 1_000, 2_549, 89_999, 90_000, 3_600_000].map(formatDuration);
  assert.deepEqual(texts, ['0 ms', '999 ms', '1.0 s', '2.5 s', '90.0 s', '2 min', '60 min']);
});
