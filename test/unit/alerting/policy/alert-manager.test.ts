import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { acknowledge, alertsFor } from '../../../../src/alerting/policy/active-alerts.ts';
import { evaluate, INITIAL_ALERT_STATE, silence } from '../../../../src/alerting/policy/alert-manager.ts';
import type { Message } from '../../../../src/alerting/policy/notification.ts';
import { incident, inWords, POLICY, past, seenOf, startTown } from '../../../support/alert-scenario.ts';
import { startScenario, UPSTREAM_DOWN } from '../../../support/health-scenario.ts';

const HOUR_MS = 3_600_000;

describe('what is announced', () => {
  test('an outage of 20 s at the defaults is one message when it is known, and one when it is over', () => {
    const story = startScenario();
    const messages: (Message & { saidMs: number })[] = [];
    let state = INITIAL_ALERT_STATE;
    for (let now = 10_000; now < 120_000; now += 250) {
      const isDown = now >= 30_000 && now < 50_000;
      if (isDown || now % 1_000 === 0 || story.health().incident)
        story.check(now, isDown ? UPSTREAM_DOWN : {});
      const next = evaluate(state, [seenOf(story.health())], { now, isQuiet: false, runId: 'run' }, POLICY);
      state = next.state;
      messages.push(...next.messages.map((message) => ({ ...message, saidMs: now })));
    }
    assert.deepEqual(inWords(messages), ['down 6274', 'recovered 6274']);
    assert.deepEqual(
      messages.map(({ saidMs }) => saidMs),
      [35_500, 55_250],
    );
    assert.match(messages[1]?.notifications[0]?.summary ?? '', /healthy again after 20\.0 s$/);
  });

  test('a pending incident is not announced, nor one that ended before it was an alert', () => {
    const town = startTown();
    town.set({ state: 'degraded', incident: incident(0, { alerted: false }) });
    assert.deepEqual(town.until(60_000), []);
    town.set({ state: 'up', incident: null, history: [past(0, 60_000, { alerted: false })] });
    assert.deepEqual(town.until(120_000), []);
  });

  test('of a port that is seen for the first time only what is down is announced, not its past', () => {
    const town = startTown([]);
    town.set({ history: [past(-9_000, -8_000)] }, 1);
    town.set({ incident: incident(-1_000), history: [past(-9_000, -8_000)] }, 2);
    assert.deepEqual(town.until(10_000), ['down 2']);
  });

  test('an outage that ends while its first message is still being grouped is not lost', () => {
    const town = startTown([]);
    town.set({ incident: incident(0) });
    town.until(2_000);
    town.rise();
    assert.deepEqual(town.until(10_000), ['recovered 6274']);
  });

  test('a crash after which PM2 restarted it is a restart', () => {
    const town = startTown();
    town.restart();
    assert.deepEqual(town.until(10_000), ['restarted 6274']);
  });

  test('a port that is given up is announced once; when that is its first announcement, there is no other', () => {
    const open = { restartedAt: [], attempts: 9, nextRestartAt: 0, openCount: 1 };
    const town = startTown();
    town.fall(6274, 'hung');
    assert.deepEqual(town.until(10_000), ['down 6274']);
    town.set({ breaker: open });
    assert.deepEqual(town.until(20_000), ['gave_up 6274']);
    town.set({ breaker: { ...open, openCount: 2 } });
    assert.deepEqual(town.until(30_000), []);
    town.rise();
    town.set({ breaker: { ...open, openCount: 0 } });
    assert.deepEqual(town.until(40_000), ['recovered 6274']);
    town.set({ breaker: open, incident: incident(40_000, { alerted: false, cause: 'hung' }) });
    assert.deepEqual(town.until(50_000), ['gave_up 6274']);
    town.set({ incident: incident(40_000, { cause: 'hung' }) });
    assert.deepEqual(town.until(60_000), []);
  });

  test('a warning is announced when it begins, and not again when it has only paused', () => {
    const town = startTown();
    town.set({ warnings: ['cpu_limit'] });
    assert.deepEqual(town.until(10_000), ['warning 6274']);
    for (const warnings of [[], ['cpu_limit'], []] as const) {
      town.set({ warnings });
      assert.deepEqual(town.until(town.now() + 60_000), []);
    }
    town.until(town.now() + 600_000);
    town.set({ warnings: ['cpu_limit'] });
    assert.deepEqual(town.until(town.now() + 10_000), ['warning 6274']);
  });

  test('a port that stays down has a reminder every four hours', () => {
    const town = startTown();
    town.fall();
    const said = town.until(9 * HOUR_MS);
    assert.deepEqual(said, ['down 6274', 'reminder 6274', 'reminder 6274']);
    assert.match(
      town.messages.at(-1)?.notifications[0]?.summary ?? '',
      /^Still, after 480 min: Proxy for port 6274 has no/,
    );
    const never = startTown([6274], { repeatIntervalMs: 0 });
    never.fall();
    assert.deepEqual(never.until(9 * HOUR_MS), ['down 6274']);
  });

  test('a port that is taken out of the config while it is down is announced once as ended', () => {
    const town = startTown([1, 2]);
    town.fall(1);
    town.until(10_000);
    town.remove(1);
    town.remove(2);
    assert.deepEqual(town.until(60_000), ['recovered 1']);
    assert.match(town.messages.at(-1)?.notifications[0]?.summary ?? '', /no longer in the config/);
    assert.deepEqual(town.state.proxies, {});
  });

  test('a port that the operator stops while it is down is announced as stopped', () => {
    const town = startTown();
    town.fall(6274, 'hung');
    town.until(10_000);
    town.rise();
    town.set({ state: 'stopped' });
    assert.deepEqual(town.until(20_000), ['recovered 6274']);
    assert.match(
      town.messages.at(-1)?.notifications[0]?.summary ?? '',
      /was stopped by the operator after 10\.0 s/,
    );
  });
});

describe('one message', () => {
  test('has all ports that fail within the window, which begins with the first', () => {
    const town = startTown([1, 2, 3]);
    town.fall(1);
    town.until(4_000);
    town.fall(2);
    assert.deepEqual(town.until(5_000), ['down 1 + down 2']);
    town.fall(3);
    assert.deepEqual(town.until(60_000), ['down 3']);
  });

  test('has an outage that is over within the window as one notification', () => {
    const town = startTown();
    town.fall();
    town.until(3_000);
    town.rise();
    assert.deepEqual(town.until(60_000), ['recovered 6274']);
    assert.match(
      town.messages[0]?.notifications[0]?.summary ?? '',
      /was down for 3\.0 s, and is healthy again/,
    );
  });

  test('goes at once without a window', () => {
    const town = startTown([1, 2], { groupWaitMs: 0 });
    town.fall(1);
    assert.deepEqual(town.until(0), ['down 1']);
  });

  test('has an id of its own', () => {
    const town = startTown();
    for (let n = 0; n < 3; n += 1) {
      town.fall();
      town.until(town.now() + 10_000);
      town.rise();
      town.until(town.now() + 10_000);
    }
    assert.deepEqual(
      town.messages.map(({ id }) => id),
      ['run-1', 'run-2', 'run-3', 'run-4', 'run-5', 'run-6'],
    );
  });
});

describe('a port that comes and goes', () => {
  const flap = (town: ReturnType<typeof startTown>, times: number): string[] => {
    const said: string[] = [];
    for (let n = 0; n < times; n += 1) {
      town.fall();
      said.push(...town.until(town.now() + 20_000));
      town.rise();
      said.push(...town.until(town.now() + 20_000));
    }
    return said;
  };
  const FOUR = Array.from({ length: 4 }, () => ['down 6274', 'recovered 6274']).flat();

  test('is announced four times, then once as flapping, and once as steady', () => {
    const town = startTown();
    assert.deepEqual(flap(town, 30), [...FOUR, 'flapping 6274']);
    assert.deepEqual(town.until(town.now() + HOUR_MS), ['steady 6274']);
    assert.deepEqual(flap(town, 1), ['down 6274', 'recovered 6274']);
  });

  test('and is then taken out of the config is announced as steady, not as recovered', () => {
    const town = startTown();
    flap(town, 30);
    town.remove(6274);
    assert.deepEqual(town.until(town.now() + 60_000), ['steady 6274']);
  });

  test('and then stays down is announced as down', () => {
    const town = startTown();
    flap(town, 6);
    town.fall();
    assert.deepEqual(town.until(town.now() + HOUR_MS), ['down 6274']);
    town.rise();
    assert.deepEqual(town.until(town.now() + HOUR_MS), ['recovered 6274']);
  });

  test('for hours has reminders', () => {
    const town = startTown([6274], { repeatIntervalMs: HOUR_MS });
    const said = flap(town, 100).slice(FOUR.length);
    assert.deepEqual(said, ['flapping 6274', 'reminder 6274']);
    assert.equal(town.messages.at(-1)?.notifications[0]?.severity, 'warning');
  });

  test('by restarts is announced as flapping, like one that goes down', () => {
    const town = startTown();
    const said: string[] = [];
    for (let n = 0; n < 50; n += 1) {
      town.restart();
      said.push(...town.until(town.now() + 10_000));
    }
    assert.deepEqual(said, [...Array(4).fill('restarted 6274'), 'flapping 6274']);
    assert.deepEqual(town.until(town.now() + HOUR_MS), ['steady 6274']);
  });
});

describe('in quiet hours', () => {
  test('what is critical is sent, and its end; the rest is one digest when they end', () => {
    const town = startTown([1, 2]);
    town.isQuiet = true;
    town.fall(1);
    assert.deepEqual(town.until(10_000), ['down 1']);
    town.restart(2);
    town.until(20_000);
    town.set({ warnings: ['slow_responses'] }, 2);
    assert.deepEqual(town.until(30_000), []);
    town.rise(1);
    assert.deepEqual(town.until(40_000), ['recovered 1']);
    town.isQuiet = false;
    assert.deepEqual(town.until(60_000), ['restarted 2 + warning 2']);
  });

  test('an outage that ended before it was announced waits, too', () => {
    const town = startTown();
    town.isQuiet = true;
    town.fall();
    town.until(1_000);
    town.rise();
    assert.deepEqual(town.until(20_000), []);
    town.isQuiet = false;
    assert.deepEqual(town.until(21_000), ['recovered 6274']);
  });

  test('what is too much for the digest is counted in it', () => {
    const town = startTown();
    town.isQuiet = true;
    town.until(1_000);
    for (let port = 1; port <= 250; port += 1) {
      town.set({}, port);
      town.until(town.now());
      town.restart(port);
    }
    town.until(20_000);
    town.isQuiet = false;
    town.until(21_000);
    const notices = town.messages.at(-1)?.notifications ?? [];
    assert.equal(notices.length, 201);
    assert.match(notices[0]?.summary ?? '', /50 earlier notices/);
  });
});

describe('in a silence', () => {
  test('nothing is sent; at its end what is down is, and the end of what was announced before', () => {
    const town = startTown([1, 2, 3, 4]);
    town.fall(1);
    town.fall(4);
    town.until(10_000);
    town.state = silence(town.state, 100_000);
    town.rise(1);
    town.fall(2);
    town.fall(3);
    town.restart(4);
    town.set({ warnings: ['slow_responses'] }, 4);
    assert.deepEqual(town.until(50_000), []);
    town.rise(3);
    assert.deepEqual(town.until(99_000), []);
    assert.deepEqual(town.until(200_000), ['recovered 1 + down 2']);
  });

  test('0 ends it', () => {
    const town = startTown();
    town.state = silence(town.state, HOUR_MS);
    town.fall();
    assert.deepEqual(town.until(10_000), []);
    town.state = silence(town.state, 0);
    assert.deepEqual(town.until(20_000), ['down 6274']);
  });
});

describe('for a state channel', () => {
  test('a port is in the list while its outage is announced, and until its end was accepted', () => {
    const town = startTown([6274], { stateChannels: ['am'] });
    const list = () => alertsFor(town.state, 'am').map(({ startsAt, endsAt }) => [startsAt, endsAt]);
    town.until(1_000);
    town.fall();
    town.until(3_000);
    assert.deepEqual(list(), []);
    town.until(10_000);
    assert.deepEqual(list(), [[1_000, null]]);
    town.state = acknowledge(town.state, 'am', alertsFor(town.state, 'am'));
    assert.deepEqual(list(), [[1_000, null]]);
    town.rise();
    town.until(20_000);
    assert.deepEqual(list(), [[1_000, 10_000]]);
    assert.deepEqual(alertsFor(town.state, 'another'), []);
    town.state = acknowledge(town.state, 'am', alertsFor(town.state, 'am'));
    assert.deepEqual(list(), []);
  });

  test('a port that is down again is in it once', () => {
    const town = startTown([6274], { stateChannels: ['am'] });
    for (let n = 0; n < 2; n += 1) {
      town.rise();
      town.until(town.now() + 10_000);
      town.fall();
      town.until(town.now() + 10_000);
    }
    assert.deepEqual(
      alertsFor(town.state, 'am').map(({ startsAt }) => startsAt),
      [30_000],
    );
  });
});

test('without a change the state is the very same object, so that nothing is written', () => {
  const town = startTown();
  town.fall();
  town.until(10_000);
  const before = town.state;
  town.until(3 * HOUR_MS);
  assert.equal(town.state, before);
});
