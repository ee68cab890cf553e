import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHealth, uptimeOf } from '../../../src/health/state.ts';
import { HUNG, NOT_THERE, type Story, startStory, UPSTREAM_DOWN } from '../../support/health-scenario.ts';

/** An incident of 1 s. */
const incident = (story: Story, startedAt: number, seen = UPSTREAM_DOWN as object): void => {
  story.look(startedAt, seen);
  for (const atMs of [startedAt + 1_000, startedAt + 2_000]) story.look(atMs);
};

describe('an incident that is over', () => {
  test('goes into the history with its times, its last cause and its cures', () => {
    const story = startStory();
    story.look(10_000, UPSTREAM_DOWN);
    for (const atMs of [11_000, 12_000, 13_000]) story.look(atMs, HUNG);
    story.tell({ kind: 'remedy_done', at: 13_500, remedy: 'force_restart', error: 'PM2 is away' });
    story.look(15_000, HUNG);
    story.tell({ kind: 'remedy_done', at: 15_500, remedy: 'force_restart', error: null });
    for (const atMs of [16_000, 17_000]) story.look(atMs, {}, 200);
    const { history, incident } = story.health();
    assert.deepEqual(history, [
      {
        ...{ startedAt: 10_000, endedAt: 16_000, cause: 'hung', actions: ['force_restart', 'force_restart'] },
        alerted: true,
        hasNewProcess: true,
      },
    ]);
    assert.equal(incident, null);
  });

  test('ends with a stop by the operator', () => {
    const story = startStory();
    story.look(10_000, NOT_THERE, null);
    story.look(12_000, { pm2: 'stopped' }, null);
    assert.deepEqual(story.health().history, [
      {
        ...{ startedAt: 10_000, endedAt: 12_000, cause: 'crashed', actions: [] },
        alerted: false,
        hasNewProcess: false,
      },
    ]);
    story.look(13_000, { pm2: 'stopped' }, null);
    assert.equal(story.health().history.length, 1);
  });
});

test('one that goes on is not in the history', () => {
  const story = startStory();
  story.look(10_000, UPSTREAM_DOWN);
  story.look(11_000, HUNG);
  assert.deepEqual(story.health().history, []);
  const { startedAt, cause, actions } = story.health().incident ?? {};
  assert.deepEqual([startedAt, cause, actions], [10_000, 'hung', []]);
});

test('the history has the last 20 incidents, the oldest first', () => {
  const story = startStory();
  for (let at = 1; at <= 25; at += 1) incident(story, at * 10_000);
  const starts = story.health().history.map(({ startedAt }) => startedAt / 10_000);
  assert.deepEqual(
    starts,
    Array.from({ length: 20 }, (_, at) => at + 6),
  );
});

test('an incident keeps its last 20 cures', () => {
  const story = startStory({ maxRestarts: 1_000 });
  story.look(10_000, NOT_THERE, null);
  for (let at = 11_000; at < 41_000; at += 1_000)
    story.tell({ kind: 'remedy_done', at, remedy: at < 22_000 ? 'start' : 'force_restart', error: null });
  const cures = story.health().incident?.actions ?? [];
  assert.equal(cures.length, 20);
  assert.deepEqual([cures[0], cures[1]], ['start', 'force_restart']);
});

test("an incident that is the upstream's from end to end is no recovery of the proxy", () => {
  const story = startStory();
  incident(story, 10_000);
  assert.equal(story.health().recovery.count, 0);
  incident(story, 20_000, HUNG);
  assert.equal(story.health().recovery.count, 1);
});

describe('the uptime is the part of the time without an incident', () => {
  test('of a proxy that was never down', () => assert.equal(uptimeOf(createHealth(0), 100_000), 1));

  test('at the first look, and with a clock that was set back', () => {
    for (const nowMs of [5_000, 1_000]) assert.equal(uptimeOf(createHealth(5_000), nowMs), 1);
  });

  test('with incidents that are over', () => {
    const story = startStory();
    for (const atMs of [10_000, 20_000, 30_000]) incident(story, atMs);
    assert.equal(Math.round(uptimeOf(story.health(), 100_000) * 100), 97);
  });

  test('with one that goes on', () => {
    const story = startStory();
    incident(story, 10_000);
    story.look(60_000, UPSTREAM_DOWN);
    assert.equal(Math.round(uptimeOf(story.health(), 100_000) * 100), 59);
  });

  test('of a proxy that has been down since its first look', () => {
    const health = { ...createHealth(0), downMs: 200_000 };
    assert.equal(uptimeOf(health, 100_000), 0);
  });
});
