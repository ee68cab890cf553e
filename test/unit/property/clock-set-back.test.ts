import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { detectMassFailure, isPausingRestarts, NO_MASS_FAILURE } from '../../../src/health/mass-failure.ts';
import { createHealth } from '../../../src/health/state.ts';
import { cures, HUNG, type Story, startStory } from '../../support/health-scenario.ts';

const HOUR_MS = 3_600_000;
const GONE = { pm2: 'waiting_restart', process: 'gone', heartbeat: 'unreachable' } as const;
const cured = (story: Story, at: number) =>
  story.tell({ kind: 'remedy_done', at, remedy: 'force_restart', error: null });
const hung = (story: Story, fromMs: number, looks: number) =>
  Array.from({ length: looks }, (_, at) => cures(story.look(fromMs + at * 1_000, HUNG))).flat();

/** Everything happens at one hour, then the clock is set back by 50 minutes. */
describe('a clock that is set back holds nothing up', () => {
  test('the next cure, after one that did not help', () => {
    const story = startStory();
    assert.deepEqual(hung(story, HOUR_MS, 3), ['force_restart']);
    cured(story, HOUR_MS + 2_000);
    assert.deepEqual(hung(story, 600_000, 3), ['force_restart']);
  });

  test('the try of an open breaker', () => {
    const story = startStory({ maxRestarts: 1, restartCooldownMs: 60_000 });
    hung(story, HOUR_MS, 3);
    cured(story, HOUR_MS + 2_000);
    assert.deepEqual(hung(story, HOUR_MS + 10_000, 3), [], 'it gave up');
    assert.deepEqual(hung(story, 600_000, 1), ['force_restart']);
  });

  test('the budget: what was spent in times to come is not within a window', () => {
    const story = startStory({ maxRestarts: 1 });
    hung(story, HOUR_MS, 3);
    cured(story, HOUR_MS + 2_000);
    for (const atMs of [HOUR_MS + 3_000, HOUR_MS + 4_000]) story.look(atMs);
    assert.deepEqual(hung(story, 600_000, 3), ['force_restart']);
  });

  test('the failures of a proxy that was on its way', () => {
    const story = startStory();
    story.look(HOUR_MS, {}, 200);
    story.tell({ kind: 'goodbye', at: HOUR_MS });
    story.look(600_000, GONE, 200);
    assert.deepEqual([story.health().state, story.health().cause], ['down', 'crashed']);
  });

  test('the end of a crash loop', () => {
    const story = startStory();
    for (let at = 0; at < 5; at += 1) {
      story.look(HOUR_MS + at * 5_000, {}, 201 + at);
      story.tell({ kind: 'crash', at: HOUR_MS + at * 5_000 + 1_000 });
    }
    story.look(HOUR_MS + 21_000, {}, 206);
    assert.equal(story.health().cause, 'crash_loop');
    for (const atMs of [600_000, 630_000, 630_250]) story.look(atMs, {}, 206);
    assert.equal(story.health().state, 'up');
  });

  test('the release of the brake', () => {
    const incident = {
      startedAt: HOUR_MS,
      pid: 1,
      actions: [],
      alerted: false,
      isProxyFault: true,
      recoveringSince: null,
    };
    const bad = { ...createHealth(0), cause: 'hung', incident: { ...incident, cause: 'hung' } } as const;
    const fleet = [bad, bad, bad];
    const before = detectMassFailure(NO_MASS_FAILURE, fleet, HOUR_MS);
    const after = detectMassFailure(before, fleet, 600_000);
    assert.deepEqual(
      [600_000, 660_000].map((oneMs) => isPausingRestarts(detectMassFailure(after, fleet, oneMs), oneMs)),
      [true, false],
    );
  });
});
