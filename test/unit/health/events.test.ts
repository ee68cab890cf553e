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
} from '../../support/health/health-scenario.ts';

const FAILING: readonly Partial<Evidence>[] = [UPSTREAM_DOWN, { upstream: 'silent' }, { endToEnd: 'failed' }];

const checkWithoutProbe = (scenario: Scenario, at: number, evidence: Partial<Evidence>) =>
  scenario.send({ kind: 'check', at, pid: 100, evidence: { ...WELL, ...evidence }, isProbed: false });

describe('a check without a new probe result is neither a success nor a failure of the upstream', () => {
  for (const evidence of FAILING) {
    test(`${JSON.stringify(evidence)} is no failure`, () => {
      const scenario = startScenario();
      const before = scenario.health();
      assert.deepEqual(checkWithoutProbe(scenario, 10_000, evidence), []);
      assert.equal(scenario.health(), before);
      scenario.check(11_000, evidence);
      for (const at of [12_000, 13_000, 14_000]) checkWithoutProbe(scenario, at, evidence);
      assert.equal(scenario.health().failures.consecutive, 1);
    });

    test(`after ${JSON.stringify(evidence)} it is no success`, () => {
      const scenario = startScenario();
      scenario.check(10_000, evidence);
      const before = scenario.health();
      for (const at of [11_000, 12_000, 13_000]) assert.deepEqual(checkWithoutProbe(scenario, at, {}), []);
      assert.equal(scenario.health(), before);
      for (const at of [14_000, 15_000]) scenario.check(at);
      assert.equal(scenario.health().incident, null);
    });
  }

  test("the proxy's own failures and its recovery count", () => {
    const scenario = startScenario();
    for (const at of [10_000, 10_250]) checkWithoutProbe(scenario, at, HUNG);
    assert.equal(scenario.health().failures.consecutive, 2);
    for (const at of [11_000, 11_250]) checkWithoutProbe(scenario, at, {});
    assert.equal(scenario.health().incident, null);
  });
});

describe('a check that came late changes nothing', () => {
  const situations: Readonly<Record<string, (scenario: Scenario) => void>> = {
    'while all is well': () => {},
    'in the middle of failures': (scenario) => scenario.check(10_000, HUNG),
    'in the middle of a recovery': (scenario) =>
      [10_000, 10_250].map((at) => scenario.check(at, at > 10_000 ? {} : HUNG)),
    'while it is stopped': (scenario) => scenario.check(10_000, { pm2: 'stopped' }),
    'while a limit warns': (scenario) => scenario.check(10_000, { memory: 'warn' }),
  };
  const lateEvidence: readonly Partial<Evidence>[] = [
    {},
    HUNG,
    { process: 'gone', pm2: 'gave_up' },
    { process: 'stopped' },
    UPSTREAM_DOWN,
    { memory: 'restart' },
    { cpu: 'warn' },
  ];
  for (const [name, prepare] of Object.entries(situations))
    test(name, () => {
      for (const evidence of lateEvidence) {
        const scenario = startScenario();
        prepare(scenario);
        const health = scenario.health();
        assert.deepEqual(scenario.check(11_000, { ...evidence, monitor: 'late' }), []);
        assert.equal(scenario.health(), health, JSON.stringify(evidence));
      }
    });
});

describe('a warning for a limit', () => {
  const warnings = (scenario: Scenario, at: number, evidence: Partial<Evidence>): readonly string[] =>
    describeActions(scenario.check(at, evidence));
  const MEMORY = '⚠️  Proxy for port 6274 uses too much memory';
  const CPU = '⚠️  Proxy for port 6274 uses too much CPU';

  test('has a text of its own, and the proxy stays up', () => {
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

  test('is logged when it begins, and again only after it went away', () => {
    const scenario = startScenario();
    const lineCounts = (['warn', 'warn', 'growing', 'ok', 'warn', 'ok', 'growing'] as const).map(
      (memory, index) => warnings(scenario, 10_000 + index * 1_000, { memory }).length,
    );
    assert.deepEqual(lineCounts, [1, 0, 0, 0, 1, 0, 1]);
  });

  test('is logged for each limit by itself', () => {
    const scenario = startScenario();
    assert.deepEqual(warnings(scenario, 10_000, { memory: 'warn' }), [MEMORY]);
    assert.deepEqual(warnings(scenario, 11_000, { memory: 'warn', cpu: 'warn' }), [CPU]);
    assert.deepEqual(scenario.health().warnings, ['memory_limit', 'cpu_limit']);
    assert.deepEqual(warnings(scenario, 12_000, { cpu: 'warn' }), []);
    assert.deepEqual(scenario.health().warnings, ['cpu_limit']);
  });

  test('is logged beside a failure of another kind', () => {
    const scenario = startScenario();
    assert.deepEqual(warnings(scenario, 10_000, { ...HUNG, memory: 'warn' }), [
      MEMORY,
      '⚠️  Proxy for port 6274 is not responding (failure #1)',
    ]);
  });

  test('ends when the limit for a restart is reached', () => {
    const scenario = startScenario();
    warnings(scenario, 10_000, { memory: 'warn' });
    warnings(scenario, 11_000, { memory: 'restart' });
    assert.deepEqual(scenario.health().warnings, []);
    assert.equal(scenario.health().cause, 'memory_limit');
  });
});
