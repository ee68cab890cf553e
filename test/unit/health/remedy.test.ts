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
} from '../../support/health-scenario.ts';

/** Looks at the same fault each second from `fromMs` to before `toMs`; each cure is done at once, and does not help. */
const suffer = (
  scenario: Scenario,
  seen: Partial<Evidence>,
  { fromMs = 10_000, toMs = 60_000, error = null as string | null } = {},
) => {
  const done: { readonly cure: Remedy; readonly at: number }[] = [];
  const lines: string[] = [];
  const events: string[] = [];
  for (let at = fromMs; at < toMs; at += 1_000) {
    const actions = scenario.check(at, seen);
    lines.push(...describeActions(actions));
    events.push(...actions.flatMap((action) => (action.kind === 'log' ? [action.event] : [])));
    for (const remedy of remediesOf(actions)) {
      done.push({ cure: remedy, at: at });
      lines.push(...describeActions(scenario.send({ kind: 'remedy_done', at, remedy, error })));
    }
  }
  return { cures: done.map(({ cure }) => cure), done, lines, events };
};

describe('a cure that does not help is followed by the next one, and the last one by itself', () => {
  const ladders: readonly [seen: Partial<Evidence>, ladder: readonly Remedy[]][] = [
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
  for (const [seen, ladder] of ladders)
    test(`${JSON.stringify(seen)}: ${ladder.join(', ') || 'none'}`, () => {
      const scenario = startScenario();
      assert.deepEqual(suffer(scenario, seen).cures.slice(0, 4), ladder);
      assert.deepEqual(scenario.health().incident?.actions.slice(0, 4), ladder);
    });

  test('one that could not be done counts as one that did not help', () => {
    const scenario = startScenario();
    const done = suffer(scenario, { listening: 'none' }, { error: 'no connection to the proxy' });
    assert.deepEqual(done.cures.slice(0, 3), ['relisten', 'restart', 'force_restart']);
    assert.equal(scenario.health().restarts.forced, 0);
  });

  test('the next incident begins with the first again', () => {
    const scenario = startScenario();
    suffer(scenario, { listening: 'none' }, { toMs: 16_000 });
    for (const at of [20_000, 21_000]) scenario.check(at);
    assert.deepEqual(suffer(scenario, { listening: 'none' }, { fromMs: 30_000, toMs: 33_000 }).cures, [
      'relisten',
    ]);
  });
});

describe('what a cure is called and counted as', () => {
  const table: readonly [
    seen: Partial<Evidence>,
    line: string,
    forced: number,
    forcedFor: Health['forcedByCause'],
  ][] = [
    [{ listening: 'none' }, 'Asking the proxy for port 6274 to listen again...', 0, {}],
    [{ endToEnd: 'failed' }, 'Attempting to restart proxy for port 6274...', 1, { forwarding_broken: 1 }],
    [HUNG, 'Attempting to restart proxy for port 6274...', 1, { hung: 1 }],
  ];
  for (const [seen, line, forced, forcedFor] of table)
    test(JSON.stringify(seen), () => {
      const scenario = startScenario();
      assert.ok(suffer(scenario, seen, { toMs: 13_000 }).lines.includes(line));
      assert.deepEqual(scenario.health().restarts, { crash: 0, forced });
      assert.deepEqual(scenario.health().forcedByCause, forcedFor);
    });

  test('to listen anew that helps is a recovery of the same process', () => {
    const scenario = startScenario();
    suffer(scenario, { listening: 'none' }, { toMs: 13_000 });
    scenario.check(13_000);
    assert.deepEqual(describeActions(scenario.check(14_000)), [
      '✅ Proxy for port 6274 is healthy again after 3.0 s',
    ]);
    assert.deepEqual(scenario.health().history.at(-1)?.actions, ['relisten']);
  });
});

describe('when the restart budget is spent', () => {
  const policy = { maxRestarts: 2, restartCooldownMs: 60_000 };
  const GAVE_UP =
    '🚨 ALERT: Gave up on the proxy for port 6274: 2 restarts within 10 min did not help; next try in 60.0 s';
  const gaveUp = (lines: readonly string[]) => lines.filter((line) => line.includes('Gave up'));

  test('that is told once, however long it goes on, and tries become rare', () => {
    const { done, lines, events } = suffer(startScenario(policy), HUNG, { toMs: 1_000_000 });
    assert.deepEqual(gaveUp(lines), [GAVE_UP]);
    assert.equal(events.filter((event) => event === 'restart_limit_reached').length, 1);
    // The second of the two is at 15 s; it gives up three failures later, at 18 s.
    const seconds = done.map(({ at }) => at / 1_000);
    assert.deepEqual(seconds, [12, 15, 78, 198, 438, 918]);
  });

  test('a try that helps gives the budget back, and the next time is told again', () => {
    const scenario = startScenario(policy);
    suffer(scenario, HUNG, { toMs: 79_000 });
    for (const at of [80_000, 81_000]) scenario.check(at);
    const again = suffer(scenario, HUNG, { fromMs: 90_000, toMs: 140_000 });
    assert.deepEqual(again.cures, ['force_restart', 'force_restart']);
    assert.deepEqual(gaveUp(again.lines), [GAVE_UP]);
  });

  test('an ordinary recovery gives nothing back', () => {
    const scenario = startScenario(policy);
    suffer(scenario, HUNG, { toMs: 16_000 });
    for (const at of [20_000, 21_000]) scenario.check(at);
    const again = suffer(scenario, HUNG, { fromMs: 30_000, toMs: 60_000 });
    assert.deepEqual(again.cures, []);
    assert.equal(gaveUp(again.lines).length, 1);
  });
});

test('a budget of 0 is told as what it is: the failure has its alert, and no next try is promised', () => {
  const scenario = startScenario({ maxRestarts: 0 });
  const { cures: done, lines } = suffer(scenario, NOT_THERE, { toMs: 1_000_000 });
  assert.deepEqual(done, []);
  assert.deepEqual(
    lines.filter((line) => line.includes('ALERT')),
    ['🚨 ALERT: Proxy for port 6274 is not running: 3 failures since it was last healthy'],
  );
  assert.equal(scenario.health().breaker.openCount, 0);
});

describe('under the brake', () => {
  const soft: readonly Partial<Evidence>[] = [
    HUNG,
    { dataPath: 'stuck' },
    { accepts: 'failed' },
    { lag: 'restart' },
    { endToEnd: 'failed' },
  ];
  for (const seen of soft)
    test(`${JSON.stringify(seen)} may be the machine, and is not cured, but told`, () => {
      const { cures: done, lines } = suffer(startScenario({ restartsPaused: true }), seen);
      assert.deepEqual(done, []);
      assert.equal(lines.filter((line) => line.includes('ALERT')).length, 1);
    });

  const hard: readonly Partial<Evidence>[] = [
    NOT_THERE,
    { process: 'gone' },
    { process: 'stopped' },
    { openFiles: 'restart' },
    { memory: 'restart' },
    { cpu: 'restart' },
    { listening: 'none' },
  ];
  for (const seen of hard)
    test(`${JSON.stringify(seen)} is certain, and cured`, () =>
      assert.notDeepEqual(suffer(startScenario({ restartsPaused: true }), seen).cures, []));
});
