import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { acknowledge, alertsFor } from '../../../../src/alerting/policy/active-alerts.ts';
import { evaluate, INITIAL_ALERT_STATE, silence } from '../../../../src/alerting/policy/alert-manager.ts';
import type { Message } from '../../../../src/alerting/policy/notification.ts';
import {
  incident,
  inWords,
  POLICY,
  past,
  proxyViewOf,
  startAlertScenario,
} from '../../../support/alerting/alert-scenario.ts';
import { startScenario, UPSTREAM_DOWN } from '../../../support/health/health-scenario.ts';
import { problemOf } from '../../../support/health/status-samples.ts';

const HOUR_MS = 3_600_000;

describe('what is announced', () => {
  test('an outage of 20 s at the defaults is one message when it is known, and one when it is over', () => {
    const scenario = startScenario();
    const messages: (Message & { announcedAtMs: number })[] = [];
    let state = INITIAL_ALERT_STATE;
    for (let now = 10_000; now < 120_000; now += 250) {
      const isDown = now >= 30_000 && now < 50_000;
      if (isDown || now % 1_000 === 0 || scenario.health().incident)
        scenario.check(now, isDown ? UPSTREAM_DOWN : {});
      const next = evaluate(
        state,
        [proxyViewOf(scenario.health())],
        { now, isQuiet: false, runId: 'run' },
        POLICY,
      );
      state = next.state;
      messages.push(...next.messages.map((message) => ({ ...message, announcedAtMs: now })));
    }
    assert.deepEqual(inWords(messages), ['down 6274', 'recovered 6274']);
    assert.deepEqual(
      messages.map(({ announcedAtMs }) => announcedAtMs),
      [35_500, 55_250],
    );
    assert.match(messages[1]?.notifications[0]?.summary ?? '', /healthy again after 20\.0 s$/);
  });

  test('a pending incident is not announced, nor one that ended before it was an alert', () => {
    const alerts = startAlertScenario();
    alerts.set({ state: 'degraded', incident: incident(0, { alerted: false }) });
    assert.deepEqual(alerts.until(60_000), []);
    alerts.set({ state: 'up', incident: null, history: [past(0, 60_000, { alerted: false })] });
    assert.deepEqual(alerts.until(120_000), []);
  });

  test('of a port that is seen for the first time only what is down is announced, not its past', () => {
    const alerts = startAlertScenario([]);
    alerts.set({ history: [past(-9_000, -8_000)] }, 1);
    alerts.set({ incident: incident(-1_000), history: [past(-9_000, -8_000)] }, 2);
    assert.deepEqual(alerts.until(10_000), ['down 2']);
  });

  test('an outage that ends while its first message is still being grouped is not lost', () => {
    const alerts = startAlertScenario([]);
    alerts.set({ incident: incident(0) });
    alerts.until(2_000);
    alerts.rise();
    assert.deepEqual(alerts.until(10_000), ['recovered 6274']);
  });

  test('a crash after which PM2 restarted it is a restart', () => {
    const alerts = startAlertScenario();
    alerts.restart();
    assert.deepEqual(alerts.until(10_000), ['restarted 6274']);
  });

  test('a port that is given up is announced once; when that is its first announcement, there is no other', () => {
    const open = { restartedAt: [], attempts: 9, nextRestartAt: 0, openCount: 1, untriedCount: 0 };
    const alerts = startAlertScenario();
    alerts.fall(6274, 'hung');
    assert.deepEqual(alerts.until(10_000), ['down 6274']);
    alerts.set({ breaker: open });
    assert.deepEqual(alerts.until(20_000), ['gave_up 6274']);
    alerts.set({ breaker: { ...open, openCount: 2 } });
    assert.deepEqual(alerts.until(30_000), []);
    alerts.rise();
    alerts.set({ breaker: { ...open, openCount: 0 } });
    assert.deepEqual(alerts.until(40_000), ['recovered 6274']);
    alerts.set({ breaker: open, incident: incident(40_000, { alerted: false, cause: 'hung' }) });
    assert.deepEqual(alerts.until(50_000), ['gave_up 6274']);
    alerts.set({ incident: incident(40_000, { cause: 'hung' }) });
    assert.deepEqual(alerts.until(60_000), []);
  });

  test('a warning is announced when it begins, and not again when it has only paused', () => {
    const alerts = startAlertScenario();
    alerts.set({ warnings: ['cpu_limit'] });
    assert.deepEqual(alerts.until(10_000), ['warning 6274']);
    for (const warnings of [[], ['cpu_limit'], []] as const) {
      alerts.set({ warnings });
      assert.deepEqual(alerts.until(alerts.now() + 60_000), []);
    }
    alerts.until(alerts.now() + 600_000);
    alerts.set({ warnings: ['cpu_limit'] });
    assert.deepEqual(alerts.until(alerts.now() + 10_000), ['warning 6274']);
  });

  test('a port that stays down has a reminder every four hours', () => {
    const alerts = startAlertScenario();
    alerts.fall();
    const announced = alerts.until(9 * HOUR_MS);
    assert.deepEqual(announced, ['down 6274', 'reminder 6274', 'reminder 6274']);
    assert.match(
      alerts.messages.at(-1)?.notifications[0]?.summary ?? '',
      /^Still, after 480 min: Proxy for port 6274 has no/,
    );
    const never = startAlertScenario([6274], { repeatIntervalMs: 0 });
    never.fall();
    assert.deepEqual(never.until(9 * HOUR_MS), ['down 6274']);
  });

  test('why, what was done and what to do read well after their labels', () => {
    const alerts = startAlertScenario([1, 2, 3]);
    alerts.fall(1);
    alerts.fall(2, 'hung');
    alerts.restart(3);
    alerts.until(60_000);
    alerts.rise(1);
    alerts.rise(2);
    alerts.until(120_000);
    const texts = alerts.messages
      .flatMap(({ notifications }) => notifications)
      .flatMap(({ reason, actionTaken, nextStep }) => [reason, actionTaken, nextStep])
      .filter((text) => text !== null);
    assert.ok(texts.length > 10);
    for (const text of texts) assert.doesNotMatch(text, /^\w+: /);
  });

  test('while PM2 restarts nothing, no restart is promised, and the cure is the next step', () => {
    for (const cause of ['crashed', 'crash_loop', 'hung'] as const) {
      const alerts = startAlertScenario();
      alerts.set({}, 6274, { supervisionCure: 'kill -CONT 4' });
      alerts.fall(6274, cause);
      alerts.until(60_000);
      const { nextStep, actionTaken } = alerts.messages[0]?.notifications[0] ?? {};
      assert.match(nextStep ?? '', /^Nothing restarts it until PM2 works again: kill -CONT 4/);
      assert.equal(actionTaken, cause === 'hung' ? null : 'Nothing, as PM2 restarts nothing at present');
    }
  });

  test('an app that PM2 cannot start has what is missing as the reason, and nothing as what was done', () => {
    const detail = 'its interpreter /opt/node does not exist';
    const startAdvice = 'npm start';
    const alerts = startAlertScenario();
    alerts.set({}, 6274, { detail, startAdvice });
    alerts.fall(6274, 'cannot_start');
    alerts.until(60_000);
    const { reason, nextStep, actionTaken } = alerts.messages[0]?.notifications[0] ?? {};
    assert.deepEqual(
      [reason, nextStep, actionTaken],
      [`PM2 cannot start it (${detail})`, startAdvice, 'Nothing, as it cannot be started'],
    );
  });

  describe('a problem of the monitor itself', () => {
    const DISK_FULL = { ...problemOf('disk_full', '/home/a: ENOSPC', 'make room there'), since: 0 };
    const CHECKS_FAIL = { ...problemOf('checks_fail', 'port 6274: a bug', 'report it'), since: 0 };

    test('is announced once, with what to do, and so is its end', () => {
      const alerts = startAlertScenario();
      alerts.problems = [DISK_FULL];
      assert.deepEqual(alerts.until(60_000), ['problem monitor']);
      alerts.problems = [];
      assert.deepEqual(alerts.until(120_000), ['solved monitor']);
      const [problem, solved] = alerts.messages.flatMap(({ notifications }) => notifications);
      assert.deepEqual(
        [problem?.summary, problem?.reason, problem?.nextStep],
        ['The disk is full', '/home/a: ENOSPC', 'make room there'],
      );
      assert.match(solved?.summary ?? '', /^Over after \d[^:]*\. The problem was: The disk is full$/);
      assert.equal(solved?.startedAt, problem?.startedAt);
    });

    test('is announced anew when another one joins it, whatever its text says meanwhile', () => {
      const alerts = startAlertScenario();
      alerts.problems = [DISK_FULL];
      alerts.until(10_000);
      alerts.problems = [{ ...DISK_FULL, reason: 'in other words' }];
      assert.deepEqual(alerts.until(20_000), []);
      alerts.problems = [CHECKS_FAIL, DISK_FULL];
      assert.deepEqual(alerts.until(30_000), ['problem monitor']);
      assert.match(
        alerts.messages.at(-1)?.notifications[0]?.summary ?? '',
        /^Checks fail.*\. The disk is full$/,
      );
    });

    test('that changes its kind and concerns the same is not announced again', () => {
      const alerts = startAlertScenario([]);
      alerts.problems = [{ ...DISK_FULL, kind: 'out_of_files' }];
      assert.deepEqual(alerts.until(10_000), ['problem monitor']);
      alerts.problems = [{ ...DISK_FULL, kind: 'short_of_files' }];
      assert.deepEqual(alerts.until(20_000), []);
      alerts.problems = [];
      assert.deepEqual(alerts.until(30_000), ['solved monitor']);
    });

    test('and its end are heard by the same channels, and wait for the end of the quiet hours together', () => {
      const alerts = startAlertScenario([], { minSeverity: 'warning' });
      alerts.isQuiet = true;
      alerts.problems = [DISK_FULL];
      assert.deepEqual(alerts.until(10_000), []);
      alerts.problems = [];
      assert.deepEqual(alerts.until(20_000), []);
      alerts.isQuiet = false;
      assert.deepEqual(alerts.until(30_000), ['problem monitor + solved monitor']);
    });

    test('is announced when it has lasted, and is not over for a monitor that has just started', () => {
      const alerts = startAlertScenario([], { afterMs: 60_000, ownFaultAfterMs: 15_000 });
      alerts.problems = [{ ...DISK_FULL, since: alerts.now() }];
      assert.deepEqual(alerts.until(14_000), []);
      assert.deepEqual(alerts.until(60_000), ['problem monitor']);
      alerts.monitorStartedAt = alerts.now();
      alerts.problems = [];
      assert.deepEqual(alerts.until(74_000), []);
      alerts.problems = [{ ...DISK_FULL, since: alerts.now() }];
      assert.deepEqual(alerts.until(120_000), []);
      alerts.problems = [];
      assert.deepEqual(alerts.until(180_000), ['solved monitor']);
    });

    test('that is over before its message is due is not announced, nor one in a silence', () => {
      const alerts = startAlertScenario();
      alerts.problems = [DISK_FULL];
      alerts.until(2_000);
      alerts.problems = [];
      assert.deepEqual(alerts.until(10_000), []);
      alerts.state = silence(alerts.state, 30_000);
      alerts.problems = [DISK_FULL];
      assert.deepEqual(alerts.until(29_000), []);
      assert.deepEqual(alerts.until(60_000), ['problem monitor']);
    });

    test('is an alert of the state channels while it lasts', () => {
      const alerts = startAlertScenario([6274], { stateChannels: ['am'] });
      const active = (): readonly (number | null)[] =>
        alertsFor(alerts.state, 'am').map(({ endsAt }) => endsAt);
      alerts.problems = [DISK_FULL];
      alerts.until(10_000);
      assert.deepEqual(active(), [null]);
      alerts.problems = [];
      alerts.until(20_000);
      assert.equal(typeof active()[0], 'number');
    });
  });

  test('a port that is taken out of the config while it is down is announced once as ended', () => {
    const alerts = startAlertScenario([1, 2]);
    alerts.fall(1);
    alerts.until(10_000);
    alerts.remove(1);
    alerts.remove(2);
    assert.deepEqual(alerts.until(60_000), ['recovered 1']);
    assert.match(alerts.messages.at(-1)?.notifications[0]?.summary ?? '', /no longer in the config/);
    assert.deepEqual(alerts.state.proxies, {});
  });

  test('the end of an outage names the upstream of its beginning, also when the config was corrected', () => {
    const policy = { upstream: 'localhost:9999' };
    const scenario = startScenario(policy);
    let state = INITIAL_ALERT_STATE;
    const messages: Message[] = [];
    for (let now = 10_000; now < 60_000; now += 1_000) {
      const isCorrected = now >= 30_000;
      if (isCorrected) policy.upstream = 'localhost:6274';
      // The application under the right address is up.
      scenario.check(now, isCorrected || now < 20_000 ? {} : UPSTREAM_DOWN);
      const view = { ...proxyViewOf(scenario.health()), ...policy };
      const next = evaluate(state, [view], { now, isQuiet: false, runId: 'run' }, POLICY);
      state = next.state;
      messages.push(...next.messages);
    }
    assert.deepEqual(inWords(messages), ['down 6274', 'recovered 6274']);
    const [down, recovered] = messages.map(({ notifications }) => notifications[0]);
    assert.match(down?.summary ?? '', /localhost:9999 does not answer/);
    assert.match(recovered?.reason ?? '', /localhost:9999 does not answer/);
  });

  test("an alert keeps the machine's name until its end, and the next one has the new name", () => {
    const alerts = startAlertScenario([1, 2]);
    for (let failure = 0; failure <= POLICY.flapping.threshold; failure += 1) {
      alerts.restart(2);
      alerts.until(alerts.now() + 10_000);
    }
    alerts.fall(1);
    alerts.until(alerts.now() + 10_000);
    const known = alerts.messages.length;
    for (const port of [1, 2]) alerts.set({}, port, { host: 'renamed' });
    const { breaker } = alerts.health();
    alerts.set({ breaker: { ...breaker, openCount: 1 } }, 1);
    alerts.until(alerts.now() + 5 * HOUR_MS);
    alerts.rise(1);
    alerts.set({ breaker }, 1);
    alerts.until(alerts.now() + 10_000);
    alerts.fall(1);
    alerts.until(alerts.now() + 10_000);
    const said = alerts.messages
      .slice(known)
      .flatMap(({ notifications }) => notifications)
      .map(({ kind, proxy, host }) => `${kind} ${proxy} ${host}`);
    assert.deepEqual(said, [
      'gave_up tcp-proxy-1 devbox',
      'steady tcp-proxy-2 devbox',
      'reminder tcp-proxy-1 devbox',
      'recovered tcp-proxy-1 devbox',
      'down tcp-proxy-1 renamed',
    ]);
  });

  test('a port that the operator stops while it is down is announced as stopped', () => {
    const alerts = startAlertScenario();
    alerts.fall(6274, 'hung');
    alerts.until(10_000);
    alerts.rise();
    alerts.set({ state: 'stopped' });
    assert.deepEqual(alerts.until(20_000), ['recovered 6274']);
    assert.match(
      alerts.messages.at(-1)?.notifications[0]?.summary ?? '',
      /was stopped by the operator after 10\.0 s/,
    );
  });
});

describe('one message', () => {
  test('has all ports that fail within the window, which begins with the first', () => {
    const alerts = startAlertScenario([1, 2, 3]);
    alerts.fall(1);
    alerts.until(4_000);
    alerts.fall(2);
    assert.deepEqual(alerts.until(5_000), ['down 1 + down 2']);
    alerts.fall(3);
    assert.deepEqual(alerts.until(60_000), ['down 3']);
  });

  test('has an outage that is over within the window as one notification', () => {
    const alerts = startAlertScenario();
    alerts.fall();
    alerts.until(3_000);
    alerts.rise();
    assert.deepEqual(alerts.until(60_000), ['recovered 6274']);
    assert.match(
      alerts.messages[0]?.notifications[0]?.summary ?? '',
      /was down for 3\.0 s, and is healthy again/,
    );
  });

  test('goes at once without a window', () => {
    const alerts = startAlertScenario([1, 2], { groupWaitMs: 0 });
    alerts.fall(1);
    assert.deepEqual(alerts.until(0), ['down 1']);
  });

  test('has an id of its own', () => {
    const alerts = startAlertScenario();
    for (let n = 0; n < 3; n += 1) {
      alerts.fall();
      alerts.until(alerts.now() + 10_000);
      alerts.rise();
      alerts.until(alerts.now() + 10_000);
    }
    assert.deepEqual(
      alerts.messages.map(({ id }) => id),
      ['run-1', 'run-2', 'run-3', 'run-4', 'run-5', 'run-6'],
    );
  });
});

describe('a port that comes and goes', () => {
  const flap = (alerts: ReturnType<typeof startAlertScenario>, times: number): string[] => {
    const announced: string[] = [];
    for (let n = 0; n < times; n += 1) {
      alerts.fall();
      announced.push(...alerts.until(alerts.now() + 20_000));
      alerts.rise();
      announced.push(...alerts.until(alerts.now() + 20_000));
    }
    return announced;
  };
  const FOUR = Array.from({ length: 4 }, () => ['down 6274', 'recovered 6274']).flat();

  test('is announced four times, then once as flapping, and once as steady', () => {
    const alerts = startAlertScenario();
    assert.deepEqual(flap(alerts, 30), [...FOUR, 'flapping 6274']);
    assert.deepEqual(alerts.until(alerts.now() + HOUR_MS), ['steady 6274']);
    assert.deepEqual(flap(alerts, 1), ['down 6274', 'recovered 6274']);
  });

  test('and is then taken out of the config is announced as steady, not as recovered', () => {
    const alerts = startAlertScenario();
    flap(alerts, 30);
    alerts.remove(6274);
    assert.deepEqual(alerts.until(alerts.now() + 60_000), ['steady 6274']);
  });

  test('and then stays down is announced as down', () => {
    const alerts = startAlertScenario();
    flap(alerts, 6);
    alerts.fall();
    assert.deepEqual(alerts.until(alerts.now() + 119_000), []);
    assert.deepEqual(alerts.until(alerts.now() + 10_000), ['down 6274']);
    assert.deepEqual(alerts.until(alerts.now() + HOUR_MS), []);
    alerts.rise();
    assert.deepEqual(alerts.until(alerts.now() + HOUR_MS), ['recovered 6274']);
  });

  test('and is up again after a long outage still counts as flapping', () => {
    const alerts = startAlertScenario();
    flap(alerts, 6);
    alerts.fall();
    assert.deepEqual(alerts.until(alerts.now() + 150_000), ['down 6274']);
    alerts.rise();
    assert.deepEqual(alerts.until(alerts.now() + 10_000), ['recovered 6274']);
    assert.deepEqual(flap(alerts, 3), []);
    assert.deepEqual(alerts.until(alerts.now() + HOUR_MS), ['steady 6274']);
  });

  test('and is then given up is announced at once', () => {
    const alerts = startAlertScenario();
    flap(alerts, 6);
    alerts.fall(6274, 'hung');
    alerts.set({
      breaker: { restartedAt: [], attempts: 9, nextRestartAt: 0, openCount: 1, untriedCount: 0 },
    });
    assert.deepEqual(alerts.until(alerts.now() + 10_000), ['gave_up 6274']);
  });

  test('and had a long outage while no monitor looked is announced with its end', () => {
    const alerts = startAlertScenario();
    flap(alerts, 6);
    const { history } = alerts.health();
    const endedAt = alerts.now();
    alerts.set({ history: [...history, past(endedAt - 119_000, endedAt)] });
    assert.deepEqual(alerts.until(alerts.now() + 10_000), []);
    alerts.set({ history: [...history, past(endedAt - 119_000, endedAt), past(endedAt - 120_000, endedAt)] });
    assert.deepEqual(alerts.until(alerts.now() + 10_000), ['recovered 6274']);
  });

  test('for hours has reminders', () => {
    const alerts = startAlertScenario([6274], { repeatIntervalMs: HOUR_MS });
    const announced = flap(alerts, 100).slice(FOUR.length);
    assert.deepEqual(announced, ['flapping 6274', 'reminder 6274']);
    assert.equal(alerts.messages.at(-1)?.notifications[0]?.severity, 'warning');
  });

  test('by restarts is announced as flapping, like one that goes down', () => {
    const alerts = startAlertScenario();
    const announced: string[] = [];
    for (let n = 0; n < 50; n += 1) {
      alerts.restart();
      announced.push(...alerts.until(alerts.now() + 10_000));
    }
    assert.deepEqual(announced, [...Array(4).fill('restarted 6274'), 'flapping 6274']);
    assert.deepEqual(alerts.until(alerts.now() + HOUR_MS), ['steady 6274']);
  });
});

describe('in quiet hours', () => {
  test('what is critical is sent, and its end; the rest is one digest when they end', () => {
    const alerts = startAlertScenario([1, 2]);
    alerts.isQuiet = true;
    alerts.fall(1);
    assert.deepEqual(alerts.until(10_000), ['down 1']);
    alerts.restart(2);
    alerts.until(20_000);
    alerts.set({ warnings: ['slow_responses'] }, 2);
    assert.deepEqual(alerts.until(30_000), []);
    alerts.rise(1);
    assert.deepEqual(alerts.until(40_000), ['recovered 1']);
    alerts.isQuiet = false;
    assert.deepEqual(alerts.until(60_000), ['restarted 2 + warning 2']);
  });

  test('an outage that ended before it was announced waits, too', () => {
    const alerts = startAlertScenario();
    alerts.isQuiet = true;
    alerts.fall();
    alerts.until(1_000);
    alerts.rise();
    assert.deepEqual(alerts.until(20_000), []);
    alerts.isQuiet = false;
    assert.deepEqual(alerts.until(21_000), ['recovered 6274']);
  });

  test('what is too much for the digest is counted in it', () => {
    const alerts = startAlertScenario();
    alerts.isQuiet = true;
    alerts.until(1_000);
    for (let port = 1; port <= 250; port += 1) {
      alerts.set({}, port);
      alerts.until(alerts.now());
      alerts.restart(port);
    }
    alerts.until(20_000);
    alerts.isQuiet = false;
    alerts.until(21_000);
    const notifications = alerts.messages.at(-1)?.notifications ?? [];
    assert.equal(notifications.length, 201);
    assert.match(notifications[0]?.summary ?? '', /50 earlier notices/);
    const newest = Array.from({ length: 200 }, (_, index) => `tcp-proxy-${51 + index}`);
    assert.deepEqual(
      notifications.slice(1).map(({ proxy }) => proxy),
      newest,
    );
  });
});

describe('in a silence', () => {
  test('nothing is sent; at its end what is down is, and the end of what was announced before', () => {
    const alerts = startAlertScenario([1, 2, 3, 4]);
    alerts.fall(1);
    alerts.fall(4);
    alerts.until(10_000);
    alerts.state = silence(alerts.state, 100_000);
    alerts.rise(1);
    alerts.fall(2);
    alerts.fall(3);
    alerts.restart(4);
    alerts.set({ warnings: ['slow_responses'] }, 4);
    assert.deepEqual(alerts.until(50_000), []);
    alerts.rise(3);
    assert.deepEqual(alerts.until(99_000), []);
    assert.deepEqual(alerts.until(200_000), ['recovered 1 + down 2']);
  });

  test('the digest of quiet hours that end in it waits for its end', () => {
    const alerts = startAlertScenario();
    alerts.isQuiet = true;
    alerts.restart();
    assert.deepEqual(alerts.until(20_000), []);
    alerts.state = silence(alerts.state, 100_000);
    alerts.isQuiet = false;
    assert.deepEqual(alerts.until(99_000), []);
    assert.deepEqual(alerts.until(101_000), ['restarted 6274']);
  });

  test('0 ends it', () => {
    const alerts = startAlertScenario();
    alerts.state = silence(alerts.state, HOUR_MS);
    alerts.fall();
    assert.deepEqual(alerts.until(10_000), []);
    alerts.state = silence(alerts.state, 0);
    assert.deepEqual(alerts.until(20_000), ['down 6274']);
  });
});

describe('for a state channel', () => {
  test('a port is in the list while its outage is announced, and until its end was accepted', () => {
    const alerts = startAlertScenario([6274], { stateChannels: ['am'] });
    const list = () => alertsFor(alerts.state, 'am').map(({ startsAt, endsAt }) => [startsAt, endsAt]);
    alerts.until(1_000);
    alerts.fall();
    alerts.until(3_000);
    assert.deepEqual(list(), []);
    alerts.until(10_000);
    assert.deepEqual(list(), [[1_000, null]]);
    alerts.state = acknowledge(alerts.state, 'am', alertsFor(alerts.state, 'am'));
    assert.deepEqual(list(), [[1_000, null]]);
    alerts.rise();
    alerts.until(20_000);
    assert.deepEqual(list(), [[1_000, 10_000]]);
    assert.deepEqual(alertsFor(alerts.state, 'another'), []);
    alerts.state = acknowledge(alerts.state, 'am', alertsFor(alerts.state, 'am'));
    assert.deepEqual(list(), []);
  });

  test('a port that is down again is in it once', () => {
    const alerts = startAlertScenario([6274], { stateChannels: ['am'] });
    for (let n = 0; n < 2; n += 1) {
      alerts.rise();
      alerts.until(alerts.now() + 10_000);
      alerts.fall();
      alerts.until(alerts.now() + 10_000);
    }
    assert.deepEqual(
      alertsFor(alerts.state, 'am').map(({ startsAt }) => startsAt),
      [30_000],
    );
  });
});

test('without a change the state is the very same object, so that nothing is written', () => {
  const alerts = startAlertScenario();
  alerts.fall();
  alerts.until(10_000);
  const before = alerts.state;
  alerts.until(3 * HOUR_MS);
  assert.equal(alerts.state, before);
});
