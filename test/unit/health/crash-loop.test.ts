import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cures, inWords, type Story, startStory } from '../../support/health-scenario.ts';

const GONE = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;

/** Comes up as `pid`, is well for `livesMs` (two looks of it), and dies; its death is seen by its socket or by PM2. */
const life = (story: Story, atMs: number, pid: number, livesMs: number, seenBy: 'socket' | 'list') => [
  ...story.look(atMs, {}, pid),
  ...story.look(atMs + livesMs, {}, pid),
  ...(seenBy === 'socket' ? story.tell({ kind: 'crash', at: atMs + livesMs }) : []),
  ...story.look(atMs + livesMs, GONE, pid),
];

/** So many lives of 1 s, one each `everyMs` from 10 s on; the pids are 201, 202 … */
const crashes = (
  story: Story,
  count: number,
  { seenBy = 'socket' as 'socket' | 'list', everyMs = 5_000 } = {},
) =>
  Array.from({ length: count }, (_, at) =>
    life(story, 10_000 + at * everyMs, 201 + at, 1_000, seenBy),
  ).flat();

describe('a proxy that crashes five times within two minutes is in a crash loop', () => {
  for (const seenBy of ['socket', 'list'] as const) {
    test(`four are none yet, seen by the ${seenBy}`, () => {
      const story = startStory();
      crashes(story, 4, { seenBy });
      assert.deepEqual([story.health().state, story.health().cause], ['down', 'crashed']);
      assert.equal(story.health().restarts.crash, 4);
    });

    test(`five are, though it is up again, seen by the ${seenBy}`, () => {
      const story = startStory();
      crashes(story, 5, { seenBy });
      story.look(31_500, {}, 206);
      assert.deepEqual([story.health().state, story.health().cause], ['down', 'crash_loop']);
    });
  }

  test('five within more than two minutes are not', () => {
    const story = startStory();
    crashes(story, 5, { everyMs: 30_001 });
    story.look(132_000, {}, 206);
    story.look(132_250, {}, 206);
    assert.equal(story.health().state, 'up');
  });
});

test('a crash loop has no cure', () => {
  const story = startStory();
  const done = [...crashes(story, 9), ...story.look(56_000, { ...GONE, pm2: 'online' }, 209)];
  assert.deepEqual(cures(done), []);
});

test('what PM2 gave up is brought back, in a crash loop too', () => {
  const story = startStory();
  crashes(story, 6);
  assert.deepEqual(cures(story.look(36_500, { ...GONE, pm2: 'gave_up' }, 206)), ['start']);
});

test('a crash loop is one incident with one alert, however often it comes up for a moment', () => {
  const story = startStory();
  const lines = inWords(crashes(story, 20));
  const alerts = lines.filter((line) => line.includes('ALERT'));
  assert.deepEqual(alerts, [
    '🚨 ALERT: Proxy for port 6274 crashes again and again: 3 failures since it was last healthy',
  ]);
  const loop = lines.slice(lines.indexOf(alerts[0] ?? ''));
  assert.deepEqual(
    loop.filter((line) => line.startsWith('✅')),
    [],
  );
  assert.equal(story.health().history.length, 4, 'the crashes before it was a loop');
});

test('one that never comes up at all has one alert, too', () => {
  const story = startStory();
  const lines = Array.from({ length: 20 }, (_, at) => [
    ...story.look(10_000 + at * 5_000, { pm2: 'launching', heartbeat: 'unreachable' }, 201 + at),
    ...story.tell({ kind: 'crash', at: 11_000 + at * 5_000 }),
    ...story.look(11_100 + at * 5_000, GONE, 201 + at),
  ]);
  const alerts = inWords(lines.flat()).filter((line) => line.includes('ALERT'));
  assert.equal(alerts.length, 1);
  assert.equal(story.health().cause, 'crash_loop');
  assert.deepEqual(story.health().history, []);
});

test('it is over when a process has lived for 30 s, and not before', () => {
  const story = startStory();
  crashes(story, 6);
  const states = [40_000, 69_000, 69_999, 70_000, 70_250].map((atMs) => {
    story.look(atMs, {}, 300);
    return story.health().state;
  });
  assert.deepEqual(states, ['down', 'down', 'down', 'down', 'up']);
  const past = story.health().history.at(-1);
  assert.deepEqual([past?.cause, past?.endedAt, past?.actions], ['crash_loop', 70_000, []]);
});

describe('in a crash loop, too, a crash is counted once, and a process that lives not at all', () => {
  for (const seenBy of ['socket', 'list'] as const)
    test(`seen by the ${seenBy}`, () => {
      const story = startStory();
      crashes(story, 7, { seenBy });
      assert.equal(story.health().restarts.crash, 7);
      story.look(50_000, {}, 300);
      assert.equal(story.health().restarts.crash, 7, 'it lives');
      for (const atMs of [80_000, 80_250]) story.look(atMs, {}, 300);
      assert.equal(story.health().state, 'up');
      life(story, 4_000_000, 300, 1_000, seenBy);
      assert.equal(story.health().restarts.crash, 8, 'its crash, much later');
    });
});
