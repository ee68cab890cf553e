import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Evidence } from '../../../src/health/types.ts';
import {
  describeActions,
  HUNG,
  type Scenario,
  startScenario,
  UPSTREAM_DOWN,
  WELL,
} from '../../support/health-scenario.ts';

const FAILING: readonly Partial<Evidence>[] = [UPSTREAM_DOWN, { upstream: 'silent' }, { endToEnd: 'failed' }];

const lookWithoutNews = (scenario: Scenario, at: number, seen: Partial<Evidence>) =>
  scenario.send({ kind: 'check', at, pid: 100, evidence: { ...WELL, ...seen }, isProbed: false });

describe('a look without news of the upstream counts neither for nor against it', () => {
  for (const seen of FAILING) {
    test(`no failure of ${JSON.stringify(seen)}`, () => {
      const scenario = startScenario();
      const before = scenario.health();
      assert.deepEqual(lookWithoutNews(scenario, 10_000, seen), []);
      assert.equal(scenario.health(), before);
      scenario.check(11_000, seen);
      for (const at of [12_000, 13_000, 14_000]) lookWithoutNews(scenario, at, seen);
      assert.equal(scenario.health().failures.consecutive, 1);
    });

    test(`and no success after ${JSON.stringify(seen)}`, () => {
      const scenario = startScenario();
      scenario.check(10_000, seen);
      const before = scenario.health();
      for (const at of [11_000, 12_000, 13_000]) assert.deepEqual(lookWithoutNews(scenario, at, {}), []);
      assert.equal(scenario.health(), before);
      for (const at of [14_000, 15_000]) scenario.check(at);
      assert.equal(scenario.health().incident, null);
    });
  }

  test("and yet the proxy's own failures count, and its own recovery", () => {
    const scenario = startScenario();
    for (const at of [10_000, 10_250]) lookWithoutNews(scenario, at, HUNG);
    assert.equal(scenario.health().failures.consecutive, 2);
    for (const at of [11_000, 11_250]) lookWithoutNews(scenario, at, {});
    assert.equal(scenario.health().incident, null);
  });
});

describe('a look that came late changes nothing', () => {
  const before: Readonly<Record<string, (scenario: Scenario) => void>> = {
    'while all is well': () => {},
    'in the middle of failures': (scenario) => scenario.check(10_000, HUNG),
    'in the middle of a recovery': (scenario) =>
      [10_000, 10_250].map((at) => scenario.check(at, at > 10_000 ? {} : HUNG)),
    'while it is stopped': (scenario) => scenario.check(10_000, { pm2: 'stopped' }),
    'while a limit warns': (scenario) => scenario.check(10_000, { memory: 'warn' }),
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
        const scenario = startScenario();
        happen(scenario);
        const health = scenario.health();
        assert.deepEqual(scenario.check(11_000, { ...one, monitor: 'late' }), []);
        assert.equal(scenario.health(), health, JSON.stringify(one));
      }
    });
});

describe('what is over a limit that only warns', () => {
  const warnings = (scenario: Scenario, at: number, seen: Partial<Evidence>): readonly string[] =>
    describeActions(scenario.check(at, seen));
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
      const scenario = startScenario();
      assert.deepEqual(warnings(scenario, 10_000, { [kind]: 'warn' }), [line]);
      assert.deepEqual([scenario.health().state, scenario.health().incident], ['up', null]);
    }
  });

  test('is told when it begins, and again only after it went away', () => {
    const scenario = startScenario();
    const told = (['warn', 'warn', 'growing', 'ok', 'warn', 'ok', 'growing'] as const).map(
      (memory, at) => warnings(scenario, 10_000 + at * 1_000, { memory }).length,
    );
    assert.deepEqual(told, [1, 0, 0, 0, 1, 0, 1]);
  });

  test('is told each by itself', () => {
    const scenario = startScenario();
    assert.deepEqual(warnings(scenario, 10_000, { memory: 'warn' }), [MEMORY]);
    assert.deepEqual(warnings(scenario, 11_000, { memory: 'warn', cpu: 'warn' }), [CPU]);
    assert.deepEqual(scenario.health().warnings, ['memory_limit', 'cpu_limit']);
    assert.deepEqual(warnings(scenario, 12_000, { cpu: 'warn' }), []);
    assert.deepEqual(scenario.health().warnings, ['cpu_limit']);
  });

  test('is told beside a failure of another kind', () => {
    const scenario = startScenario();
    assert.deepEqual(warnings(scenario, 10_000, { ...HUNG, memory: 'warn' }), [
      MEMORY,
      '⚠️  Proxy for port 6274 is not responding (failure #1)',
    ]);
  });

  test('is no warning any more once it is acted on', () => {
    const scenario = startScenario();
    warnings(scenario, 10_000, { memory: 'warn' });
    warnings(scenario, 11_000, { memory: 'restart' });
    assert.deepEqual(scenario.health().warnings, []);
    assert.equal(scenario.health().cause, 'memory_limit');
  });
});
