import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Health } from '../../../src/health/state.ts';
import type { Evidence, Remedy } from '../../../src/health/types.ts';
import {
  describeActions,
  HUNG,
  NOT_THERE,
  remediesOf,
  type Scenario,
  startScenario,
  UPSTREAM_DOWN,
} from '../../support/health/health-scenario.ts';

/** A check each second with the same fault, from `fromAt` to before `toAt`. Remedies are done at once, and do not help. */
const keepFailing = (
  scenario: Scenario,
  evidence: Partial<Evidence>,
  { fromAt = 10_000, toAt = 60_000, error = null as string | null } = {},
) => {
  const done: { readonly remedy: Remedy; readonly at: number }[] = [];
  const lines: string[] = [];
  const events: string[] = [];
  for (let at = fromAt; at < toAt; at += 1_000) {
    const actions = scenario.check(at, evidence);
    lines.push(...describeActions(actions));
    events.push(...actions.flatMap((action) => (action.kind === 'log' ? [action.event] : [])));
    for (const remedy of remediesOf(actions)) {
      done.push({ remedy, at });
      lines.push(...describeActions(scenario.send({ kind: 'remedy_done', at, remedy, error })));
    }
  }
  return { remedies: done.map(({ remedy }) => remedy), done, lines, events };
};

describe('a remedy that does not help is followed by the next one, and the last one by itself', () => {
  const table: readonly [evidence: Partial<Evidence>, remedies: readonly Remedy[]][] = [
    [{ listening: 'none' }, ['relisten', 'restart', 'force_restart', 'force_restart']],
    [{ accepts: 'failed' }, ['relisten', 'force_restart', 'force_restart', 'force_restart']],
    [{ openFiles: 'restart' }, ['restart', 'force_restart', 'force_restart', 'force_restart']],
    [{ memory: 'restart' }, ['restart', 'force_restart', 'force_restart', 'force_restart']],
    [{ cpu: 'restart' }, ['restart', 'force_restart', 'force_restart', 'force_restart']],
    [{ lag: 'restart' }, ['restart', 'force_restart', 'force_restart', 'force_restart']],
    [{ endToEnd: 'failed' }, ['restart', 'force_restart', 'force_restart', 'force_restart']],
    [{ process: 'stopped' }, ['force_restart', 'force_restart', 'force_restart', 'force_restart']],
    [{ dataPath: 'stuck' }, ['force_restart', 'force_restart', 'force_restart', 'force_restart']],
    [NOT_THERE, ['start', 'start', 'start', 'start']],
    [{ process: 'uninterruptible', ...HUNG }, []],
    [{ listening: 'in_use' }, []],
    [UPSTREAM_DOWN, []],
    [{ upstream: 'silent' }, []],
  ];
  for (const [evidence, remedies] of table)
    test(`${JSON.stringify(evidence)}: ${remedies.join(', ') || 'none'}`, () => {
      const scenario = startScenario();
      assert.deepEqual(keepFailing(scenario, evidence).remedies.slice(0, 4), remedies);
      assert.deepEqual(scenario.health().incident?.actions.slice(0, 4), remedies);
    });

  test('a remedy that could not be done counts as one that did not help', () => {
    const scenario = startScenario();
    const { remedies } = keepFailing(
      scenario,
      { listening: 'none' },
      { error: 'no connection to the proxy' },
    );
    assert.deepEqual(remedies.slice(0, 3), ['relisten', 'restart', 'force_restart']);
    assert.equal(scenario.health().restarts.forced, 0);
  });

  test('the next incident begins with the first remedy again', () => {
    const scenario = startScenario();
    keepFailing(scenario, { listening: 'none' }, { toAt: 16_000 });
    for (const at of [20_000, 21_000]) scenario.check(at);
    assert.deepEqual(
      keepFailing(scenario, { listening: 'none' }, { fromAt: 30_000, toAt: 33_000 }).remedies,
      ['relisten'],
    );
  });
});

describe('each remedy has its text, and counts as a forced restart or not', () => {
  const table: readonly [
    evidence: Partial<Evidence>,
    line: string,
    forced: number,
    forcedByCause: Health['forcedByCause'],
  ][] = [
    [{ listening: 'none' }, 'Asking the proxy for port 6274 to listen again...', 0, {}],
    [{ endToEnd: 'failed' }, 'Attempting to restart proxy for port 6274...', 1, { forwarding_broken: 1 }],
    [HUNG, 'Attempting to restart proxy for port 6274...', 1, { hung: 1 }],
  ];
  for (const [evidence, line, forced, forcedByCause] of table)
    test(JSON.stringify(evidence), () => {
      const scenario = startScenario();
      assert.ok(keepFailing(scenario, evidence, { toAt: 13_000 }).lines.includes(line));
      assert.deepEqual(scenario.health().restarts, { crash: 0, forced });
      assert.deepEqual(scenario.health().forcedByCause, forcedByCause);
    });

  test('when listening anew helps, it is a recovery of the same process', () => {
    const scenario = startScenario();
    keepFailing(scenario, { listening: 'none' }, { toAt: 13_000 });
    scenario.check(13_000);
    assert.deepEqual(describeActions(scenario.check(14_000)), [
      '✅ Proxy for port 6274 is healthy again after 3.0 s',
    ]);
    assert.deepEqual(scenario.health().history.at(-1)?.actions, ['relisten']);
  });
});

describe('when maxRestarts is used up', () => {
  const policy = { maxRestarts: 2, restartCooldownMs: 60_000 };
  const GAVE_UP =
    '🚨 ALERT: Gave up on the proxy for port 6274: 2 restarts within 10 min did not help; next try in 60.0 s';
  const gaveUpLines = (lines: readonly string[]) => lines.filter((line) => line.includes('Gave up'));

  test('it is logged once, however long the fault goes on, and attempts become rare', () => {
    const { done, lines, events } = keepFailing(startScenario(policy), HUNG, { toAt: 1_000_000 });
    assert.deepEqual(gaveUpLines(lines), [GAVE_UP]);
    assert.equal(events.filter((event) => event === 'restart_limit_reached').length, 1);
    // The second of the two is at 15 s; it gives up three failures later, at 18 s.
    const seconds = done.map(({ at }) => at / 1_000);
    assert.deepEqual(seconds, [12, 15, 78, 198, 438, 918]);
  });

  test('an attempt that helps resets the count, and the next time is logged again', () => {
    const scenario = startScenario(policy);
    keepFailing(scenario, HUNG, { toAt: 79_000 });
    for (const at of [80_000, 81_000]) scenario.check(at);
    const again = keepFailing(scenario, HUNG, { fromAt: 90_000, toAt: 140_000 });
    assert.deepEqual(again.remedies, ['force_restart', 'force_restart']);
    assert.deepEqual(gaveUpLines(again.lines), [GAVE_UP]);
  });

  test('an ordinary recovery does not reset the count', () => {
    const scenario = startScenario(policy);
    keepFailing(scenario, HUNG, { toAt: 16_000 });
    for (const at of [20_000, 21_000]) scenario.check(at);
    const again = keepFailing(scenario, HUNG, { fromAt: 30_000, toAt: 60_000 });
    assert.deepEqual(again.remedies, []);
    assert.equal(gaveUpLines(again.lines).length, 1);
  });
});

test('with a maxRestarts of 0 the failure has its alert, and no next attempt is announced', () => {
  const scenario = startScenario({ maxRestarts: 0 });
  const { remedies, lines } = keepFailing(scenario, NOT_THERE, { toAt: 1_000_000 });
  assert.deepEqual(remedies, []);
  assert.deepEqual(
    lines.filter((line) => line.includes('ALERT')),
    ['🚨 ALERT: Proxy for port 6274 is not running: 3 failures since it was last healthy'],
  );
  assert.equal(scenario.health().breaker.openCount, 0);
});

describe('while restarts are paused because most ports fail', () => {
  const loadSensitive: readonly Partial<Evidence>[] = [
    HUNG,
    { dataPath: 'stuck' },
    { accepts: 'failed' },
    { lag: 'restart' },
    { endToEnd: 'failed' },
  ];
  for (const evidence of loadSensitive)
    test(`${JSON.stringify(evidence)} may be the machine: there is an alert and no remedy`, () => {
      const { remedies, lines } = keepFailing(startScenario({ restartsPaused: true }), evidence);
      assert.deepEqual(remedies, []);
      assert.equal(lines.filter((line) => line.includes('ALERT')).length, 1);
    });

  const certain: readonly Partial<Evidence>[] = [
    NOT_THERE,
    { process: 'gone' },
    { process: 'stopped' },
    { openFiles: 'restart' },
    { memory: 'restart' },
    { cpu: 'restart' },
    { listening: 'none' },
  ];
  for (const evidence of certain)
    test(`${JSON.stringify(evidence)} is certain, and has its remedy`, () =>
      assert.notDeepEqual(keepFailing(startScenario({ restartsPaused: true }), evidence).remedies, []));
});

test('remedies that cannot even be begun spend no budget: the port is never given up for them', () => {
  const scenario = startScenario();
  const events: string[] = [];
  for (let at = 10_000; at < 600_000; at += 1_000) {
    const actions = scenario.check(at, HUNG);
    events.push(...actions.flatMap((action) => (action.kind === 'log' ? [action.event] : [])));
    for (const remedy of remediesOf(actions))
      scenario.send({ kind: 'remedy_done', at, remedy, error: 'PM2 is away', isUntried: true });
  }
  const { breaker, incident, restarts } = scenario.health();
  assert.ok(!events.includes('restart_limit_reached'));
  assert.deepEqual(
    [breaker.restartedAt, breaker.attempts, incident?.actions, restarts.forced],
    [[], 0, [], 0],
  );
});
