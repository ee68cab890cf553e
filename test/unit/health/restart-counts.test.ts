import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Evidence } from '../../../src/health/types.ts';
import { HUNG, inWords, NOT_THERE, type Story, startStory } from '../../support/health-scenario.ts';

const isRestarted = (actions: Parameters<typeof inWords>[0]): boolean =>
  inWords(actions).some((line) => line.startsWith('restart '));
const cured = (story: Story, at: number, error: string | null = null) =>
  story.tell({ kind: 'remedy_done', at, remedy: 'start', error });

test('a cure that does not help is tried again after 1, 2, 4 … 30 seconds', () => {
  const story = startStory();
  const pauses: number[] = [];
  let lastMs = 0;
  for (let atMs = 10_000; pauses.length < 9; atMs += 250) {
    if (!isRestarted(story.look(atMs, NOT_THERE, null))) continue;
    pauses.push(atMs - lastMs);
    lastMs = atMs;
    cured(story, atMs, 'no');
  }
  const seconds = pauses.slice(1).map((ms) => ms / 1_000);
  assert.deepEqual(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
});

test('the pause counts from the end of the cure', () => {
  const story = startStory();
  story.look(10_000, NOT_THERE, null);
  cured(story, 13_000, 'no');
  assert.equal(isRestarted(story.look(13_999, NOT_THERE, null)), false);
  assert.equal(isRestarted(story.look(14_000, NOT_THERE, null)), true);
});

describe('the pauses begin anew', () => {
  const endings: Readonly<Record<string, (story: Story) => void>> = {
    'after a recovery': (story) => [20_000, 21_000].map((atMs) => story.look(atMs, {}, 200)),
    'after a stop by the operator and a success': (story) => {
      story.look(20_000, { pm2: 'stopped' }, null);
      story.look(21_000, {}, 200);
    },
  };
  for (const [name, end] of Object.entries(endings))
    test(name, () => {
      const story = startStory();
      for (const atMs of [10_000, 12_000, 15_000]) {
        story.look(atMs, NOT_THERE, null);
        cured(story, atMs, 'no');
      }
      end(story);
      assert.equal(isRestarted(story.look(30_000, NOT_THERE, null)), true);
      cured(story, 30_000, 'no');
      assert.equal(isRestarted(story.look(31_000, NOT_THERE, null)), true);
    });
});

test('a restart that failed is said with its reason, and is no restart', () => {
  const story = startStory();
  for (const atMs of [10_000, 10_250, 10_500]) story.look(atMs, HUNG);
  const said = story.tell({ kind: 'remedy_done', at: 11_000, remedy: 'force_restart', error: 'PM2 is away' });
  assert.deepEqual(inWords(said), ['❌ Restart of proxy for port 6274 failed: PM2 is away']);
  assert.equal(story.health().restarts.forced, 0);
  assert.equal(story.health().failures.consecutive, 3);
});

describe('for 5 s after a start, a process that does not answer yet is starting', () => {
  const unreachable = { heartbeat: 'unreachable' } as const;
  const table: readonly [seen: Partial<Evidence>, afterMs: number, state: string][] = [
    [unreachable, 4_999, 'starting'],
    [unreachable, 5_000, 'degraded'],
    [HUNG, 100, 'degraded'],
    [{ process: 'stopped', heartbeat: 'unreachable' }, 100, 'degraded'],
    [{ process: 'gone' }, 100, 'degraded'],
    [{ listening: 'none' }, 100, 'starting'],
    [{ listening: 'none' }, 5_000, 'degraded'],
  ];
  for (const [seen, afterMs, state] of table)
    test(`${JSON.stringify(seen)} after ${afterMs} ms: ${state}`, () => {
      const story = startStory();
      story.look(10_000, { pm2: 'launching' }, 200);
      story.look(10_000 + afterMs, seen, 200);
      assert.equal(story.health().state, state);
      assert.equal(story.health().failures.total, state === 'starting' ? 0 : 1);
    });
});

test('a restart by the monitor gives the same grace, to the pid it had before too', () => {
  const story = startStory();
  for (const atMs of [10_000, 10_250, 10_500]) story.look(atMs, HUNG);
  story.tell({ kind: 'remedy_done', at: 11_000, remedy: 'force_restart', error: null });
  story.look(15_999, { heartbeat: 'unreachable' });
  assert.equal(story.health().failures.consecutive, 0);
  story.look(16_000, { heartbeat: 'unreachable' });
  assert.equal(story.health().failures.consecutive, 1);
});

describe('a crash is counted once', () => {
  const LIST = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;
  const socket = (story: Story, at: number) => story.tell({ kind: 'crash', at });
  const list = (story: Story, atMs: number, pid: number) => story.look(atMs, LIST, pid);
  const table: Readonly<Record<string, readonly [(story: Story) => void, crashes: number]>> = {
    'seen by its socket': [(story) => socket(story, 10_000), 1],
    "seen by PM2's list": [(story) => list(story, 10_000, 100), 1],
    'seen by both': [(story) => [socket(story, 10_000), list(story, 10_100, 100)], 1],
    'seen by the list twice, then by the socket': [
      (story) => [list(story, 10_000, 100), list(story, 10_100, 100), socket(story, 10_200)],
      1,
    ],
    'and the next process another time': [
      (story) => [socket(story, 10_000), story.look(10_500, {}, 200), socket(story, 10_900)],
      2,
    ],
  };
  for (const [name, [happen, crashes]] of Object.entries(table))
    test(name, () => {
      const story = startStory();
      happen(story);
      assert.deepEqual(story.health().restarts, { crash: crashes, forced: 0 });
    });
});

test('a proxy that said goodbye may be gone for 5 s before it is missed', () => {
  const story = startStory();
  story.tell({ kind: 'goodbye', at: 10_000 });
  const gone = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;
  assert.deepEqual(story.look(14_999, gone), []);
  assert.equal(story.health().state, 'starting');
  story.look(15_000, gone);
  assert.deepEqual([story.health().state, story.health().cause], ['down', 'crashed']);
});
