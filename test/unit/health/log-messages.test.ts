import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Evidence } from '../../../src/health/types.ts';
import { formatDuration } from '../../../src/lib/duration.ts';
import {
  describeActions,
  HUNG,
  NOT_THERE,
  type Scenario,
  startScenario,
  UPSTREAM_DOWN,
  WELL,
} from '../../support/health/health-scenario.ts';

test('the failure and the restart of a proxy are logged in the words of the old system', () => {
  const scenario = startScenario();
  const lines = [
    ...describeActions(scenario.check(10_000, NOT_THERE, null)),
    ...describeActions(scenario.send({ kind: 'remedy_done', at: 10_100, remedy: 'start', error: null })),
    ...describeActions(scenario.check(10_200, {}, 439_841)),
    ...describeActions(scenario.check(10_450, {}, 439_841)),
  ];
  assert.deepEqual(lines, [
    '⚠️  Proxy for port 6274 is not running (failure #1)',
    'Attempting to restart proxy for port 6274...',
    'restart start crashed',
    '✅ Proxy for port 6274 started successfully (PID: 439841)',
  ]);
});

describe('a proxy that the system refuses its addresses', () => {
  const listenProblem = '0.0.0.0:81 needs a privilege (EACCES)';
  const checkDenied = (scenario: Scenario, at: number, pid = 100) =>
    describeActions(
      scenario.send({
        kind: 'check',
        at,
        pid,
        evidence: { ...WELL, listening: 'denied' },
        isProbed: true,
        listenProblem,
        listenAdvice: 'Take another port',
      }),
    );

  test('is down at the threshold, although its process has just begun', () => {
    const scenario = startScenario();
    scenario.check(1_000, { process: 'gone', heartbeat: 'unreachable' });
    const at = [2_000, 2_250, 2_500].map((now) => {
      checkDenied(scenario, now, 101);
      return scenario.health().state;
    });
    assert.equal(at.at(-1), 'down');
  });

  test('is logged with the reason, alerted, never restarted, and stays down', () => {
    const scenario = startScenario();
    const lines = [10_000, 10_250, 10_500].flatMap((at) => checkDenied(scenario, at));
    assert.deepEqual(lines, [
      `⚠️  Proxy for port 6274 is not listening (failure #1): ${listenProblem}. Take another port`,
      `⚠️  Proxy for port 6274 is not listening (failure #2): ${listenProblem}`,
      `⚠️  Proxy for port 6274 is not listening (failure #3): ${listenProblem}`,
      '🚨 ALERT: Proxy for port 6274 is not listening: 3 failures since it was last healthy',
    ]);
    const states = Array.from({ length: 50 }, (_, index) => {
      const actions = checkDenied(scenario, 11_000 + index * 1_000);
      assert.deepEqual(
        actions.filter((line) => line.startsWith('restart ')),
        [],
      );
      return scenario.health().state;
    });
    assert.deepEqual([...new Set(states)], ['down']);
    assert.deepEqual(scenario.health().breaker.restartedAt, []);
  });

  test('is no reason of another failure', () => {
    const scenario = startScenario();
    const event = { kind: 'check', at: 10_000, pid: 100, isProbed: true, listenProblem } as const;
    assert.deepEqual(describeActions(scenario.send({ ...event, evidence: { ...WELL, ...HUNG } })), [
      '⚠️  Proxy for port 6274 is not responding (failure #1)',
    ]);
  });
});

test('an incident without a restart ends with its duration', () => {
  const scenario = startScenario();
  scenario.check(10_000, UPSTREAM_DOWN);
  scenario.check(12_500);
  assert.deepEqual(describeActions(scenario.check(13_000)), [
    '✅ Proxy for port 6274 is healthy again after 2.5 s',
  ]);
});

describe('each cause has a text of its own', () => {
  const table: readonly [evidence: Partial<Evidence>, line: string][] = [
    [{ process: 'gone' }, 'Proxy for port 6274 is not running'],
    [HUNG, 'Proxy for port 6274 is not responding'],
    [{ listening: 'in_use' }, 'Proxy for port 6274 cannot listen: the port is in use'],
    [{ listening: 'none' }, 'Proxy for port 6274 is not listening'],
    [{ accepts: 'failed' }, 'Proxy for port 6274 is not accepting connections'],
    [UPSTREAM_DOWN, 'Proxy for port 6274 has no upstream: localhost:6274 does not answer'],
    [{ endToEnd: 'failed' }, 'Proxy for port 6274 does not forward, though localhost:6274 answers'],
  ];
  for (const [evidence, line] of table)
    test(line, () =>
      assert.deepEqual(describeActions(startScenario().check(10_000, evidence)), [`⚠️  ${line} (failure #1)`]),
    );
});

const alertsAt = (at: number, scenario: Scenario, evidence: Partial<Evidence> = HUNG): readonly string[] =>
  describeActions(scenario.check(at, evidence)).filter((line) => line.includes('ALERT'));

test('each incident has one alert, at the threshold', () => {
  const scenario = startScenario();
  const alerts = [10_000, 10_250, 10_500, 10_750, 11_000].map((at) => alertsAt(at, scenario));
  const alert = '🚨 ALERT: Proxy for port 6274 is not responding: 3 failures since it was last healthy';
  assert.deepEqual(alerts, [[], [], [alert], [], []]);
});

test('the alert comes although each restart begins the count of consecutive failures anew', () => {
  const scenario = startScenario();
  const alerts = [10_000, 12_000, 15_000].flatMap((at) => {
    const lines = describeActions(scenario.check(at, NOT_THERE, null));
    scenario.send({ kind: 'remedy_done', at, remedy: 'start', error: null });
    return lines.filter((line) => line.includes('ALERT') || line.includes('#'));
  });
  assert.deepEqual(alerts, [
    '⚠️  Proxy for port 6274 is not running (failure #1)',
    '⚠️  Proxy for port 6274 is not running (failure #1)',
    '⚠️  Proxy for port 6274 is not running (failure #1)',
    '🚨 ALERT: Proxy for port 6274 is not running: 3 failures since it was last healthy',
  ]);
});

test('a success in between does not delay the alert', () => {
  const scenario = startScenario();
  const alerts = [HUNG, {}, HUNG, {}, HUNG].flatMap((evidence, index) =>
    alertsAt(10_000 + index * 250, scenario, evidence),
  );
  assert.equal(alerts.length, 1);
});

test('the next incident has an alert of its own', () => {
  const scenario = startScenario();
  for (const at of [10_000, 10_250, 10_500]) scenario.check(at, UPSTREAM_DOWN);
  for (const at of [11_000, 12_000]) scenario.check(at);
  const alerts = [20_000, 20_250, 20_500].map((at) => alertsAt(at, scenario, UPSTREAM_DOWN).length);
  assert.deepEqual(alerts, [0, 0, 1]);
});

test('after the threshold only every 60th failure is logged', () => {
  const scenario = startScenario();
  const loggedFailures = Array.from({ length: 130 }, (_, index) => index + 1).filter((count) =>
    describeActions(scenario.check(10_000 + count * 1_000, UPSTREAM_DOWN)).some((line) =>
      line.includes('(failure #'),
    ),
  );
  assert.deepEqual(loggedFailures, [1, 2, 3, 60, 120]);
});

describe('past the threshold, a change of the cause', () => {
  const UNHEALTHY: Partial<Evidence> = { upstream: 'silent' };
  const linesOf = (evidences: readonly Partial<Evidence>[]): readonly string[] => {
    const scenario = startScenario();
    return evidences.flatMap((evidence, index) =>
      describeActions(scenario.check(10_000 + index * 1_000, evidence))
        .filter((line) => line.includes('(failure #'))
        .map((line) => line.replace(/^.*port 6274 (has \w+ \w+).*(#\d+)\)$/, '$1 $2')),
    );
  };
  const repeat = <T>(value: T, count: number): readonly T[] => Array.from({ length: count }, () => value);
  const atFirst = ['has no upstream #1', 'has no upstream #2', 'has no upstream #3'];

  test('is logged, once', () => {
    assert.deepEqual(linesOf([...repeat(UPSTREAM_DOWN, 10), ...repeat(UNHEALTHY, 20)]), [
      ...atFirst,
      'has an upstream #11',
    ]);
  });

  test('is logged again when an earlier cause is back for as many failures as the threshold', () => {
    const evidences = [...repeat(UPSTREAM_DOWN, 10), ...repeat(UNHEALTHY, 10), ...repeat(UPSTREAM_DOWN, 20)];
    assert.deepEqual(linesOf(evidences), [...atFirst, 'has an upstream #11', 'has no upstream #23']);
  });

  test('does not fill the log where two causes alternate', () => {
    const evidences = Array.from({ length: 59 }, (_, index) => (index % 4 < 2 ? UPSTREAM_DOWN : UNHEALTHY));
    assert.equal(linesOf(evidences).length, 3);
  });
});

test('a recovery is timed from the first failure to the first of the successes that ended it', () => {
  const scenario = startScenario();
  const checks: readonly [at: number, evidence: Partial<Evidence>][] = [
    [10_000, HUNG],
    [10_250, {}],
    [10_500, HUNG],
    [11_000, {}],
    [11_400, {}],
    [20_000, HUNG],
    [20_500, {}],
    [20_700, {}],
  ];
  for (const [at, evidence] of checks) scenario.check(at, evidence);
  assert.deepEqual(scenario.health().recovery, { count: 2, lastMs: 500, totalMs: 1_500 });
  const { boundsMs, counts, sumMs } = scenario.health().recoveries;
  assert.deepEqual(
    [boundsMs.slice(0, 3), counts.slice(0, 4), sumMs],
    [[250, 500, 1_000], [0, 1, 1, 0], 1_500],
  );
});

test('a clock that was set back gives a recovery of 0 ms, not a negative one', () => {
  const scenario = startScenario();
  scenario.check(10_000, HUNG);
  for (const at of [8_000, 8_250]) scenario.check(at);
  assert.deepEqual(scenario.health().recovery, { count: 1, lastMs: 0, totalMs: 0 });
});

test('a duration is short: milliseconds, seconds with one decimal, minutes', () => {
  const texts = [0, 999, 1_000, 2_549, 89_999, 90_000, 3_600_000].map(formatDuration);
  assert.deepEqual(texts, ['0 ms', '999 ms', '1.0 s', '2.5 s', '90.0 s', '2 min', '60 min']);
});

describe('a proxy that PM2 cannot start', () => {
  const startProblem = 'its interpreter /opt/node does not exist';
  const startAdvice = 'npm start';
  const checkAt = (scenario: Scenario, at: number, evidence: Partial<Evidence>, pid: number | null = null) =>
    describeActions(
      scenario.send({
        kind: 'check',
        at,
        pid,
        evidence: { ...WELL, heartbeat: 'unreachable', ...evidence },
        isProbed: true,
        startProblem,
        startAdvice,
      }),
    );

  test('is logged with what is missing, once with the advice, and is started only when that is there again', () => {
    const scenario = startScenario();
    scenario.send({ kind: 'crash', at: 10_000 });
    const missing = { pm2: 'start_failed', process: 'unknown', startFiles: 'missing' } as const;
    const lines = [10_250, 10_500, 10_750].flatMap((at) => checkAt(scenario, at, missing));
    assert.deepEqual(lines, [
      `⚠️  Proxy for port 6274 cannot be started (failure #2): ${startProblem}. ${startAdvice}`,
      `⚠️  Proxy for port 6274 cannot be started (failure #3): ${startProblem}`,
      '🚨 ALERT: Proxy for port 6274 cannot be started: 3 failures since it was last healthy',
    ]);
    const restartsOf = (at: number, evidence: Partial<Evidence>) =>
      checkAt(scenario, at, evidence).filter((line) => line.startsWith('restart '));
    for (let at = 11_000; at < 600_000; at += 1_000) assert.deepEqual(restartsOf(at, missing), []);
    assert.equal(scenario.health().state, 'down');
    assert.deepEqual(restartsOf(600_000, { ...missing, startFiles: 'ok' }), ['restart start cannot_start']);
  });

  test('is started again ever more slowly while its start fails', () => {
    const scenario = startScenario();
    const failed = { pm2: 'start_failed', process: 'unknown', startFiles: 'ok' } as const;
    const startedAt: number[] = [];
    for (let at = 10_000; at < 130_000; at += 1_000) {
      if (!checkAt(scenario, at, failed).some((line) => line.startsWith('restart '))) continue;
      startedAt.push(at);
      scenario.send({ kind: 'remedy_done', at, remedy: 'start', error: null });
    }
    const pauses = startedAt.slice(1).map((at, index) => at - (startedAt[index] ?? 0));
    assert.ok(startedAt[0] === 10_000 && pauses.length >= 2 && pauses.length < 12, String(startedAt));
    assert.deepEqual(
      [...pauses].sort((a, b) => a - b),
      pauses,
    );
  });

  test('counts the crash of the process before once, whichever check finds it', () => {
    const scenario = startScenario();
    checkAt(scenario, 10_000, { pm2: 'waiting_restart', process: 'gone', startFiles: 'missing' }, 100);
    checkAt(scenario, 10_250, { pm2: 'start_failed', process: 'unknown', startFiles: 'missing' });
    assert.deepEqual(scenario.health().restarts, { crash: 1, forced: 0 });
  });

  test('whose successor of another daemon serves is up', () => {
    const scenario = startScenario();
    checkAt(scenario, 10_000, { pm2: 'start_failed', startFiles: 'missing', heartbeat: 'ok' }, 101);
    assert.equal(scenario.health().state, 'up');
  });
});
