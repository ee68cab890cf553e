import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Evidence } from '../../../src/health/types.ts';
import { cures, HUNG, type Story, startStory, UPSTREAM_DOWN } from '../../support/health-scenario.ts';

/** From when it is hung on; the time of each restart within so many looks, 250 ms apart. */
const restartTimes = (story: Story, fromMs: number, looks: number, pid = 100): readonly number[] =>
  Array.from({ length: looks }, (_, at) => fromMs + at * 250).filter(
    (atMs) => cures(story.look(atMs, HUNG, pid)).length > 0,
  );

test('after a restart the new process has as many failures before the next one as the first had', () => {
  const story = startStory();
  assert.deepEqual(restartTimes(story, 10_000, 3), [10_500]);
  story.tell({ kind: 'remedy_done', at: 10_700, remedy: 'force_restart', error: null });
  assert.deepEqual(restartTimes(story, 20_000, 3, 200), [20_500]);
});

test('after a recovery a single failure restarts nothing, however many there were before', () => {
  const story = startStory();
  restartTimes(story, 10_000, 50);
  for (const atMs of [30_000, 30_250]) story.look(atMs);
  assert.deepEqual(restartTimes(story, 31_000, 3), [31_500]);
});

test('one good look in between is enough for the count of the old failures', () => {
  const story = startStory();
  restartTimes(story, 10_000, 2);
  story.look(10_500);
  assert.deepEqual(restartTimes(story, 10_750, 3), [11_250]);
});

describe('what has nothing to do with the process of now does not count towards its restart', () => {
  const before: Readonly<Record<string, (story: Story) => void>> = {
    'a crash, and PM2 on its way to restart it': (story) => {
      story.tell({ kind: 'crash', at: 10_000 });
      for (const atMs of [10_100, 10_350])
        story.look(atMs, { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' });
    },
    'failures of the process before, which somebody restarted': (story) => {
      for (const atMs of [10_000, 10_250]) story.look(atMs, HUNG);
      story.look(10_500, { pm2: 'launching', heartbeat: 'unreachable' }, 200);
    },
  };
  for (const [name, happen] of Object.entries(before))
    test(name, () => {
      const story = startStory();
      happen(story);
      assert.deepEqual(restartTimes(story, 11_000, 3, 200), [11_500]);
    });
});

describe("what is not the proxy's own fault does not count towards its restart", () => {
  const faults: readonly Partial<Evidence>[] = [
    UPSTREAM_DOWN,
    { upstream: 'silent' },
    { listening: 'in_use' },
  ];
  for (const fault of faults)
    test(JSON.stringify(fault), () => {
      const story = startStory();
      for (let atMs = 10_000; atMs < 20_000; atMs += 1_000) story.look(atMs, fault);
      assert.deepEqual(restartTimes(story, 20_000, 3), [20_500]);
    });
});
