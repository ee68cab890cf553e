import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Evidence } from '../../../src/health/types.ts';
import { HUNG, inWords, type Story, startStory, UPSTREAM_DOWN, WELL } from '../../support/health-scenario.ts';

const FAILING: readonly Partial<Evidence>[] = [UPSTREAM_DOWN, { upstream: 'silent' }, { endToEnd: 'failed' }];

const lookWithoutNews = (story: Story, at: number, seen: Partial<Evidence>) =>
  story.tell({ kind: 'check', at, pid: 100, evidence: { ...WELL, ...seen }, isProbed: false });

describe('a look without news of the upstream counts neither for nor against it', () => {
  for (const seen of FAILING) {
    test(`no failure of ${JSON.stringify(seen)}`, () => {
      const story = startStory();
      const before = story.health();
      assert.deepEqual(lookWithoutNews(story, 10_000, seen), []);
      assert.equal(story.health(), before);
      story.look(11_000, seen);
      for (const atMs of [12_000, 13_000, 14_000]) lookWithoutNews(story, atMs, seen);
      assert.equal(story.health().failures.consecutive, 1);
    });

    test(`and no success after ${JSON.stringify(seen)}`, () => {
      const story = startStory();
      story.look(10_000, seen);
      const before = story.health();
      for (const atMs of [11_000, 12_000, 13_000]) assert.deepEqual(lookWithoutNews(story, atMs, {}), []);
      assert.equal(story.health(), before);
      for (const atMs of [14_000, 15_000]) story.look(atMs);
      assert.equal(story.health().incident, null);
    });
  }

  test("and yet the proxy's own failures count, and its own recovery", () => {
    const story = startStory();
    for (const atMs of [10_000, 10_250]) lookWithoutNews(story, atMs, HUNG);
    assert.equal(story.health().failures.consecutive, 2);
    for (const atMs of [11_000, 11_250]) lookWithoutNews(story, atMs, {});
    assert.equal(story.health().incident, null);
  });
});

describe('a look that came late changes nothing', () => {
  const before: Readonly<Record<string, (story: Story) => void>> = {
    'while all is well': () => {},
    'in the middle of failures': (story) => story.look(10_000, HUNG),
    'in the middle of a recovery': (story) =>
      [10_000, 10_250].map((atMs) => story.look(atMs, atMs > 10_000 ? {} : HUNG)),
    'while it is stopped': (story) => story.look(10_000, { pm2: 'stopped' }),
    'while a limit warns': (story) => story.look(10_000, { memory: 'warn' }),
  };
  const seen: readonly Partial<Evidence>[] = [
    {},
    HUNG,
    { process: 'gone', pm2: 'gave_up' },
    { process: 'stopped' },
    UPSTREAM_DOWN,
    { memory: 'restart' },
    { cpu: 'warn' },
  ];
  for (const [name, happen] of Object.entries(before))
    test(name, () => {
      for (const one of seen) {
        const story = startStory();
        happen(story);
        const health = story.health();
        assert.deepEqual(story.look(11_000, { ...one, monitor: 'late' }), []);
        assert.equal(story.health(), health, JSON.stringify(one));
      }
    });
});

describe('what is over a limit that only warns', () => {
  const warnings = (story: Story, atMs: number, seen: Partial<Evidence>): readonly string[] =>
    inWords(story.look(atMs, seen));
  const MEMORY = '⚠️  Proxy for port 6274 uses too much memory';
  const CPU = '⚠️  Proxy for port 6274 uses too much CPU';

  test('is told in its own words, and the proxy stays up', () => {
    const lines: Readonly<Record<string, string>> = {
      openFiles: '⚠️  Proxy for port 6274 is running out of open files',
      memory: MEMORY,
      cpu: CPU,
      lag: '⚠️  Proxy for port 6274 answers slowly',
    };
    for (const [kind, line] of Object.entries(lines)) {
      const story = startStory();
      assert.deepEqual(warnings(story, 10_000, { [kind]: 'warn' }), [line]);
      assert.deepEqual([story.health().state, story.health().incident], ['up', null]);
    }
  });

  test('is told when it begins, and again only after it went away', () => {
    const story = startStory();
    const told = (['warn', 'warn', 'growing', 'ok', 'warn', 'ok', 'growing'] as const).map(
      (memory, at) => warnings(story, 10_000 + at * 1_000, { memory }).length,
    );
    assert.deepEqual(told, [1, 0, 0, 0, 1, 0, 1]);
  });

  test('is told each by itself', () => {
    const story = startStory();
    assert.deepEqual(warnings(story, 10_000, { memory: 'warn' }), [MEMORY]);
    assert.deepEqual(warnings(story, 11_000, { memory: 'warn', cpu: 'warn' }), [CPU]);
    assert.deepEqual(story.health().warnings, ['memory_limit', 'cpu_limit']);
    assert.deepEqual(warnings(story, 12_000, { cpu: 'warn' }), []);
    assert.deepEqual(story.health().warnings, ['cpu_limit']);
  });

  test('is told beside a failure of another kind', () => {
    const story = startStory();
    assert.deepEqual(warnings(story, 10_000, { ...HUNG, memory: 'warn' }), [
      MEMORY,
      '⚠️  Proxy for port 6274 is not responding (failure #1)',
    ]);
  });

  test('is no warning any more once it is acted on', () => {
    const story = startStory();
    warnings(story, 10_000, { memory: 'warn' });
    warnings(story, 11_000, { memory: 'restart' });
    assert.deepEqual(story.health().warnings, []);
    assert.equal(story.health().cause, 'memory_limit');
  });
});
