import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  HUNG,
  inWords,
  NOT_THERE,
  startStory,
  UNKNOWN,
  UPSTREAM_DOWN,
  WELL,
} from '../../support/health-scenario.ts';

const NO_FAILURES = { consecutive: 0, sinceHealthy: 0, total: 0 };
const restarts = (actions: Parameters<typeof inWords>[0]): readonly string[] =>
  inWords(actions).filter((line) => line.startsWith('restart '));

test('a proxy that does not answer is degraded, and restarted by force at the threshold', () => {
  const story = startStory();
  const done = [10_000, 10_250, 10_500].map((atMs) => restarts(story.look(atMs, HUNG)));
  assert.deepEqual(done, [[], [], ['restart force_restart hung']]);
  const { state, cause, failures } = story.health();
  assert.deepEqual([state, cause], ['down', 'hung']);
  assert.deepEqual(failures, { consecutive: 3, sinceHealthy: 3, total: 3 });
});

test('below the threshold it is degraded, not down', () => {
  const story = startStory();
  story.look(10_000, HUNG);
  story.look(10_250, HUNG);
  assert.equal(story.health().state, 'degraded');
});

test('a proxy that is not there is brought back at failure #1', () => {
  const story = startStory();
  assert.deepEqual(restarts(story.look(10_000, NOT_THERE, null)), ['restart start crashed']);
  assert.equal(story.health().state, 'down');
});

test('one success between failures starts the count of consecutive ones anew, and no other', () => {
  const story = startStory();
  const seen = [HUNG, HUNG, {}, HUNG, HUNG];
  const done = seen.map((one, index) => restarts(story.look(10_000 + index * 250, one)));
  assert.deepEqual(done, [[], [], [], [], []]);
  assert.deepEqual(story.health().failures, { consecutive: 2, sinceHealthy: 4, total: 4 });
});

test('as many successes as successThreshold end the incident, and fewer do not', () => {
  const story = startStory({ successThreshold: 3 });
  story.look(10_000, HUNG);
  story.look(11_000);
  story.look(12_000);
  assert.deepEqual(story.health().failures, { consecutive: 0, sinceHealthy: 1, total: 1 });
  assert.equal(story.health().state, 'degraded');
  story.look(13_000);
  assert.deepEqual(story.health().failures, { consecutive: 0, sinceHealthy: 0, total: 1 });
  assert.equal(story.health().state, 'up');
});

test('a restart resets what is consecutive, not what is since healthy', () => {
  const story = startStory();
  for (const atMs of [10_000, 10_250, 10_500]) story.look(atMs, HUNG);
  story.tell({ kind: 'remedy_done', at: 10_700, remedy: 'force_restart', error: null });
  assert.deepEqual(story.health().failures, { consecutive: 0, sinceHealthy: 3, total: 3 });
  assert.deepEqual(story.health().restarts, { crash: 0, forced: 1 });
});

test('to bring back what was not running is no forced restart', () => {
  const story = startStory();
  story.look(10_000, NOT_THERE, null);
  story.tell({ kind: 'remedy_done', at: 10_100, remedy: 'start', error: null });
  assert.equal(story.health().restarts.forced, 0);
});

test('an upstream that is down never restarts the proxy, however long', () => {
  const story = startStory();
  const done = Array.from({ length: 200 }, (_, index) =>
    restarts(story.look(10_000 + index * 1_000, UPSTREAM_DOWN)),
  );
  assert.deepEqual(done.flat(), []);
  assert.deepEqual([story.health().state, story.health().cause], ['down', 'upstream_down']);
});

test('an optional proxy waits for its upstream without counting anything', () => {
  const story = startStory({ optional: true });
  const done = [10_000, 11_000, 12_000, 13_000].flatMap((atMs) => story.look(atMs, UPSTREAM_DOWN));
  assert.deepEqual(done, []);
  const { state, cause, failures, incident } = story.health();
  assert.deepEqual([state, cause, incident], ['waiting', 'upstream_down', null]);
  assert.deepEqual(failures, NO_FAILURES);
});

test('what the operator stopped is left alone, and its incident is over', () => {
  const story = startStory();
  for (const atMs of [10_000, 10_250]) story.look(atMs, HUNG);
  const done = [11_000, 12_000].flatMap((atMs) =>
    story.look(atMs, { pm2: 'stopped', process: 'gone', heartbeat: 'unreachable' }, null),
  );
  assert.deepEqual(done, []);
  const { state, cause, failures, incident } = story.health();
  assert.deepEqual([state, cause, incident], ['stopped', null, null]);
  assert.deepEqual(failures, { ...NO_FAILURES, total: 2 });
});

test('a look that found nothing out changes nothing, in the middle of an incident too', () => {
  const story = startStory();
  story.look(10_000, HUNG);
  const before = story.health();
  assert.deepEqual(story.look(10_250, UNKNOWN), []);
  assert.equal(story.health(), before);
});

test('a look with nothing new is the very same health, so that nothing is written', () => {
  for (const seen of [WELL, { pm2: 'stopped' }, { listening: 'not_needed' }, UPSTREAM_DOWN] as const) {
    const story = startStory({ optional: true });
    for (const atMs of [10_000, 11_000]) story.look(atMs, seen);
    const before = story.health();
    story.look(12_000, seen);
    assert.equal(story.health(), before, JSON.stringify(seen));
  }
});

test('the time of a state is that of its beginning, whatever its cause becomes', () => {
  const story = startStory();
  for (const atMs of [10_000, 11_000, 12_000]) story.look(atMs, UPSTREAM_DOWN);
  story.look(13_000, HUNG);
  const { state, cause, since } = story.health();
  assert.deepEqual([state, cause, since], ['down', 'hung', 12_000]);
});
