import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ProxyState } from '../../../src/health/state.ts';
import type { Cause } from '../../../src/health/types.ts';
import { renderEvidence, withEvidence } from '../../../src/status/evidence.ts';
import { describeMonitorProblem } from '../../../src/status/monitor-problem.ts';
import { renderBrief, renderStatus } from '../../../src/status/render.ts';
import {
  type Absence,
  type AlertsStatus,
  type HeldBack,
  NO_ALERTS,
  type ProxyStatus,
  type Snapshot,
} from '../../../src/status/snapshot.ts';
import { exitCodeOf, selectProxies } from '../../../src/status/summary.ts';
import { formatPortOwner } from '../../../src/system/proc/port-owner.ts';
import {
  DISABLED,
  MONITOR,
  NOW_MS,
  PLAIN,
  problemOf,
  proxyStatus,
  snapshotOf,
} from '../../support/health/status-samples.ts';

const render = (snapshot: Snapshot, columns = 120): string => renderStatus(snapshot, columns, PLAIN, NOW_MS);
const first = (snapshot: Snapshot): string => render(snapshot).split('\n')[0] ?? '';

test('the whole table of one port', () => {
  const status = proxyStatus({ recovery: { count: 2, lastMs: 120, meanMs: 1_500 }, checkMs: 4 });
  const snapshot = { ...snapshotOf(status), log: ['[2025-10-31 09:13:17] Started'] };
  assert.equal(
    render(snapshot),
    [
      'The port is up.',
      '',
      '✓ 6274  MCP Inspector Web UI  up for 60.0 s',
      '    10.0.0.5:6274 → localhost:6274',
      '    tcp-proxy-6274  pid 4242  PM2 online  engine portable  restarts: 1 crash, 2 forced',
      '    failures 0 since healthy, 5 in all  connections 3 active, 99 in all',
      '    probe 4 ms  recovery last 120 ms, mean 1.5 s',
      '    uptime 99.5 %',
      '    from elsewhere: http://10.0.0.5:6274  (answers)',
      '',
      '✓ proxy-monitor  pid 77  checks every 1.0 s, last 300 ms ago  127.0.0.1:6270',
      '',
      'Last lines of the log:',
      '  [2025-10-31 09:13:17] Started',
      '',
    ].join('\n'),
  );
});

test('failures of the present are counted in words beside the threshold', () => {
  const lineOf = (consecutive: number): string | undefined => {
    const failures = { consecutive, sinceHealthy: 4, total: 12 };
    return /^ {4}(fail.*) {2}connections/m.exec(
      render(snapshotOf(proxyStatus({ state: 'down', failures }))),
    )?.[1];
  };
  assert.equal(lineOf(4), 'failing (4 checks, threshold 3)  failures 4 since healthy, 12 in all');
  assert.equal(lineOf(1), 'failing (1 check, threshold 3)  failures 4 since healthy, 12 in all');
  assert.equal(lineOf(0), 'failures 4 since healthy, 12 in all');
});

test('what is not known is a dash', () => {
  const status = proxyStatus({
    pid: null,
    listen: [],
    checkMs: null,
    urls: [],
    engine: null,
    uptimePercent: null,
  });
  const text = render(snapshotOf(status));
  const parts = [
    '    nothing bound → ',
    '  pid -  ',
    '  connections -\n',
    '    probe -  recovery -\n',
    '    uptime -\n',
  ];
  for (const part of parts) assert.ok(text.includes(part), part);
  assert.ok(!text.includes('from elsewhere'));
});

test('a port answers from elsewhere only while it is up: to accept is no answer of an application that is away', () => {
  const states = ['degraded', 'down', 'starting', 'stopped', 'waiting', 'not_needed'] as const;
  for (const state of states) assert.doesNotMatch(render(snapshotOf(proxyStatus({ state }))), /\(answers\)/);
  assert.match(render(snapshotOf(proxyStatus({}))), / {2}\(answers\)\n/);
  const silent = proxyStatus({ state: 'down', cause: 'not_accepting', answersOnOwnAddress: false });
  assert.match(render(snapshotOf(silent)), / {2}\(does not answer\)\n/);
});

describe('a process that PM2 does not have is not called crashed, as nobody saw it crash', () => {
  for (const [pm2, reason] of [
    ['not in the list', 'PM2 does not have it: npm start'],
    ['not reachable', 'PM2 cannot be reached: npm start, which starts it or says what is wrong with PM2'],
  ] as const)
    test(pm2, () => {
      const snapshot = snapshotOf(proxyStatus({ state: 'down', cause: 'crashed', pm2 }));
      const texts = [
        render(snapshot),
        renderBrief(snapshot, 200, PLAIN, NOW_MS),
        renderEvidence(withEvidence(snapshot, {}), 200, NOW_MS),
      ];
      for (const text of texts) {
        assert.doesNotMatch(text, /crashed/);
        assert.match(text, /\(not running\)/);
      }
      assert.equal(first(snapshot), 'The port is down: 6274 not running.');
      assert.ok(texts[1]?.includes(`it does not run, and ${reason}\n`), texts[1]);
    });
  test('but one that PM2 has is', () => {
    const snapshot = snapshotOf(proxyStatus({ state: 'down', cause: 'crashed', pm2: 'errored' }));
    assert.match(render(snapshot), /DOWN \(crashed\)/);
  });
});

describe('without a monitor nobody saw how long anything lasts', () => {
  const incident = { startedAt: NOW_MS - 9_000, endedAt: null, cause: 'hung', actions: [] } as const;
  const renderOffline = (change: Partial<ProxyStatus>): string =>
    render({ ...snapshotOf(proxyStatus({ ...change, incidents: [incident] })), monitor: null });
  test('a state has no duration, and there is no uptime', () => {
    assert.match(renderOffline({}), /MCP Inspector Web UI {2}up\n/);
    assert.match(renderOffline({}), / {4}uptime -\n/);
  });
  test('a recorded incident goes on only while the port is not up', () => {
    assert.match(renderOffline({}), /last incident 9\.0 s ago: hung, is over\n/);
    assert.match(renderOffline({ state: 'down' }), /last incident 9\.0 s ago: hung, goes on\n/);
  });
});

describe('the headline says how many are not up, and why', () => {
  const up = proxyStatus({});
  const down = proxyStatus({ port: 6277, state: 'down', cause: 'hung' });
  const stopped = proxyStatus({ port: 7000, state: 'stopped' });
  const waiting = proxyStatus({ port: 7001, state: 'waiting' });
  const table: readonly [snapshot: Snapshot, line: string][] = [
    [snapshotOf(up), 'The port is up.'],
    [snapshotOf(up, up), 'Both ports are up.'],
    [snapshotOf(up, up, up), 'All 3 ports are up.'],
    [snapshotOf(down), 'The port is down: 6277 hung.'],
    [snapshotOf(stopped), 'The port is not up: 7000 stopped.'],
    [snapshotOf(up, down), '1 of 2 ports is down: 6277 hung.'],
    [snapshotOf(down, down), 'Both ports are down: 6277 hung, 6277 hung.'],
    [snapshotOf(up, down, stopped), '2 of 3 ports are not up: 6277 hung, 7000 stopped.'],
    [snapshotOf(waiting), 'Waiting for an optional upstream: 7001.'],
    [snapshotOf(up, waiting), '1 of 2 ports is up. Waiting for an optional upstream: 7001.'],
    [
      snapshotOf(up, down, waiting),
      '1 of 3 ports is down: 6277 hung. Waiting for an optional upstream: 7001.',
    ],
    [snapshotOf(), 'There is no port.'],
  ];
  for (const [snapshot, line] of table) test(line, () => assert.equal(first(snapshot), line));
});

describe('each state has its symbol and its label', () => {
  const table: Readonly<Record<ProxyState, string>> = {
    up: '✓ 6274  MCP Inspector Web UI  up for 60.0 s',
    degraded: '! 6274  MCP Inspector Web UI  degraded for 60.0 s',
    down: '✗ 6274  MCP Inspector Web UI  DOWN for 60.0 s',
    starting: '… 6274  MCP Inspector Web UI  starting for 60.0 s',
    stopped: '■ 6274  MCP Inspector Web UI  stopped by the operator for 60.0 s',
    waiting: '○ 6274  MCP Inspector Web UI  waiting for its upstream for 60.0 s',
    not_needed:
      '✓ 6274  MCP Inspector Web UI  not needed: the upstream listens on every address itself for 60.0 s',
  };
  for (const [state, line] of Object.entries(table) as [ProxyState, string][])
    test(state, () => assert.equal(render(snapshotOf(proxyStatus({ state }))).split('\n')[2], line));
});

describe('what is broken says why and what to do next', () => {
  const table: Readonly<Record<Cause, string>> = {
    crashed: 'npm run logs -- tcp-proxy-6274',
    cannot_start: 'PM2 cannot start it (ECONNREFUSED). The monitor tries again',
    hung: 'the process does not answer',
    port_in_use: 'ECONNREFUSED. Stop that process, or listen elsewhere',
    not_listening:
      'ECONNREFUSED. The proxy tries again every 2 s. Its log says more: npm run logs -- tcp-proxy-6274',
    not_accepting: 'the proxy runs, and accepts no connections (ECONNREFUSED)',
    upstream_down: 'ECONNREFUSED. Start the application, or correct "upstream"; the proxy is fine',
    no_control_socket: 'it accepts connections, and its control socket is gone',
    crash_loop: 'ever more slowly',
    stopped_by_signal: 'stopped by a signal',
    blocked_in_kernel: 'Look at the disk',
    data_path_stuck: 'the thread that moves the bytes',
    open_files_limit: 'ulimit -n',
    memory_limit: 'raise "limits"',
    cpu_limit: 'raise "limits"',
    slow_responses: 'raise "limits"',
    upstream_unhealthy: 'Look at the application',
    forwarding_broken: 'localhost:6274 answers, but not through the proxy (ECONNREFUSED)',
  };
  for (const [cause, part] of Object.entries(table) as [Cause, string][])
    test(cause, () => {
      const portOwner = formatPortOwner({ pid: 9, command: 'node server.js', uid: 0 });
      const status = proxyStatus({ state: 'down', cause, detail: 'ECONNREFUSED', portOwner });
      const line = render(snapshotOf(status), 300)
        .split('\n')
        .find((one) => one.startsWith('    → '));
      assert.ok(line?.includes(part), line);
    });
});

test('an app that PM2 cannot start says what is missing, and what to do', () => {
  const detail = 'its interpreter /opt/node does not exist';
  const startAdvice = 'npm start. The monitor starts it as soon as that is mended';
  const rendered = render(
    snapshotOf(proxyStatus({ state: 'down', cause: 'cannot_start', detail, startAdvice })),
    300,
  );
  assert.ok(rendered.includes(`    → PM2 cannot start it (${detail}). ${startAdvice}\n`), rendered);
  assert.match(rendered.split('\n')[0] ?? '', /6274 cannot_start/);
});

test('a monitor that PM2 cannot start says why', () => {
  const away = { ...snapshotOf(proxyStatus({})), monitor: null };
  const monitorStartProblem = 'its interpreter /opt/node does not exist';
  const nextStepOf = (snapshot: Snapshot): string | undefined =>
    render(snapshot, 300)
      .split('\n')
      .find((line) => line.endsWith('npm start'));
  assert.equal(nextStepOf(away), '    → start it with: npm start');
  assert.equal(
    nextStepOf({ ...away, monitorStartProblem }),
    `    → PM2 cannot start it (${monitorStartProblem}); start it with: npm start`,
  );
});

test('a process that was killed by SIGKILL has written no reason into its log', () => {
  const lineOf = (detail: string): string =>
    render(snapshotOf(proxyStatus({ state: 'down', cause: 'crashed', detail })), 300);
  assert.match(lineOf('killed by SIGKILL'), /\(killed by SIGKILL\).*want of memory \(see dmesg\)\n/);
  assert.match(lineOf('exited with code 3'), /reason may be in its log: npm run logs/);
});

test('an address that is missing has a line with its holder, beside any other cause and while the port is up', () => {
  const listenProblem = '0.0.0.0:6274 is held by pid 9 (vite); the proxy serves [::]:6274';
  const lineOf = (change: Partial<ProxyStatus>): readonly string[] =>
    render(snapshotOf(proxyStatus({ listenProblem, listen: ['[::]:6274'], ...change })))
      .split('\n')
      .filter((line) => line.includes('pid 9'));
  assert.deepEqual(lineOf({}), [`    ! ${listenProblem}`]);
  assert.deepEqual(lineOf({ state: 'down', cause: 'hung' }), [`    ! ${listenProblem}`]);
  const listenAdvice = 'See ip addr';
  assert.deepEqual(lineOf({ listenAdvice }), [`    ! ${listenProblem}. ${listenAdvice}`]);
  const partly = { state: 'degraded', cause: 'port_in_use', detail: listenProblem } as const;
  assert.equal(lineOf(partly).length, 1);
  assert.ok(lineOf(partly)[0]?.startsWith(`    → ${listenProblem}. Stop that process`));
});

test('a port that has only addresses of IPv6 says so', () => {
  const lineOf = (...listen: readonly string[]): string | undefined =>
    render(snapshotOf(proxyStatus({ listen }))).split('\n')[3];
  assert.equal(lineOf('[::]:6274'), '    [::]:6274 (IPv6 only) → localhost:6274');
  assert.equal(lineOf('0.0.0.0:6274', '[::]:6274'), '    0.0.0.0:6274, [::]:6274 → localhost:6274');
});

test('a port that the operator stopped says how to start it', () => {
  const rendered = (pm2: string): string => render(snapshotOf(proxyStatus({ state: 'stopped', pm2 })));
  assert.match(rendered('stopped'), /start it again with: npx pm2 start tcp-proxy-6274\n/);
  assert.match(rendered('not in the list'), /start it again with: npm start\n/);
});

test('a project other than default is named, and the other ones of the user at the end', () => {
  const snapshot: Snapshot = {
    ...snapshotOf(proxyStatus({})),
    host: 'devbox',
    project: 'work',
    log: ['[2025-10-31 09:13:17] Started'],
    otherProjects: [
      { name: 'default', configPath: '/a/steadyport.json', running: true },
      { name: 'play', configPath: '/b/steadyport.json', running: false },
    ],
  };
  assert.equal(first(snapshot), 'devbox, project work: The port is up.');
  assert.match(render(snapshot), /^✓ proxy-monitor-work {2}pid 77/m);
  assert.ok(
    render(snapshot).endsWith(
      '\n\nOther projects: default (/a/steadyport.json), play (/b/steadyport.json, no monitor)\n',
    ),
  );
  assert.ok(renderBrief(snapshot, 120, PLAIN, NOW_MS).endsWith('\n✓ proxy-monitor-work  127.0.0.1:6270\n'));
});

describe('a port that no process of the project serves, where that is no fault', () => {
  const textOf = (absence: Absence): string => {
    const status = proxyStatus({ state: 'stopped', cause: null, pid: null, pm2: 'not reachable', absence });
    return render({ ...snapshotOf(status), monitor: null }).replace(/\n +(?! )/g, ' ');
  };
  const alice = { kind: 'other_user', user: 'alice', pid: 4_711, isProxy: true } as const;

  test('was never started', () => {
    const text = textOf({ kind: 'not_started' });
    assert.match(text, /^No monitor\. The port is not up: 6274 not started\.\n\n■ 6274 .* not started/);
    assert.match(text, /→ start it with: npm start/);
  });

  test("is another user's", () => {
    const text = textOf(alice);
    assert.match(text, /^■ 6274 .* served by user alice/m);
    assert.match(text, /→ port 6274 is served by user alice \(pid 4711\): sudo -u alice npm run status/);
    assert.match(text, /→ this user has none; that of user alice: sudo -u alice npm run status/);
    assert.doesNotMatch(text, /npm start|crashed/);
  });

  test("is another user's, as far as this one may see", () => {
    const text = textOf({ ...alice, pid: null, isProxy: null });
    assert.match(text, /port 6274 is held by a process of user alice that this user may not see; if it is/);
  });
});

test('the owner of a port is its pid and command, or the user where the process cannot be seen', () => {
  const own = process.getuid?.() ?? 0;
  // A number that no list of users has.
  const other = 3_999_999_999;
  assert.equal(formatPortOwner({ pid: 9, command: 'vite', uid: own }), 'pid 9 (vite)');
  assert.equal(formatPortOwner({ pid: 9, command: null, uid: own }), 'pid 9 (unknown)');
  assert.equal(formatPortOwner({ pid: 9, command: 'vite', uid: other }), `pid 9 (vite) of user ${other}`);
  assert.equal(formatPortOwner({ pid: null, command: null, uid: other }), `a process of user ${other}`);
});

test('alerts have a line while a channel has a problem, something waits, or they are silenced', () => {
  const line = (silenceEndsAt: number | null, waiting: number, problem: string | null) => {
    const alerts = { ...NO_ALERTS, silenceEndsAt, channels: [{ name: 'slack', waiting, problem }] };
    return render({ ...snapshotOf(proxyStatus({})), monitor: { ...MONITOR, alerts } }).match(
      /^! alerts.*$/m,
    )?.[0];
  };
  assert.equal(line(null, 0, null), undefined);
  assert.equal(line(null, 3, null), '! alerts  slack: 3 waiting');
  assert.equal(line(null, 3, 'HTTP 500'), '! alerts  slack: 3 waiting (HTTP 500)');
  assert.equal(line(NOW_MS + 600_000, 0, null), '! alerts  silenced for 10 min');
});

test('what is held back of the alerts is shown: which port, why, until when, and for which channels', () => {
  const lines = (alerts: Partial<AlertsStatus>): readonly string[] =>
    render({ ...snapshotOf(proxyStatus({})), monitor: { ...MONITOR, alerts: { ...NO_ALERTS, ...alerts } } })
      .split('\n')
      .filter((line) => line.startsWith('! alerts'));
  const held: HeldBack = {
    proxy: 'tcp-proxy-6274',
    reason: 'patience',
    since: NOW_MS - 15_000,
    dueAt: NOW_MS + 45_000,
    channels: ['slack', 'webhook'],
  };
  assert.deepEqual(lines({ heldBack: [held] }), [
    '! alerts  tcp-proxy-6274 has just gone down: sent in 45.0 s, if it stays down (slack, webhook)',
  ]);
  assert.deepEqual(lines({ heldBack: [{ ...held, reason: 'flapping' }] }), [
    '! alerts  tcp-proxy-6274 comes and goes: sent in 45.0 s, if it stays down (slack, webhook)',
  ]);
  assert.deepEqual(lines({ heldBack: [{ ...held, reason: 'flapping', dueAt: null }] }), [
    '! alerts  tcp-proxy-6274 comes and goes: nothing is sent of it until an outage lasts (slack, webhook)',
  ]);
  assert.equal(lines({ heldBack: Array(7).fill(held) }).at(-1), '! alerts  … and 2 more');
  assert.deepEqual(lines({ deferred: 3 }), ['! alerts  3 of the quiet hours come when they end']);
});

test('without the monitor the table says so', () => {
  assert.match(
    render({ ...snapshotOf(proxyStatus({})), monitor: null }),
    /^✗ proxy-monitor {2}not reachable/m,
  );
});

describe('a monitor that does not answer: what is wrong, and what to do', () => {
  const table: readonly [pid: number | null, state: string | null, text: string][] = [
    [
      77,
      'T',
      "the monitor's process 77 is stopped by a signal (state T): kill -CONT 77, or npx pm2 restart proxy-monitor",
    ],
    [
      77,
      't',
      "the monitor's process 77 is stopped by a signal (state t): kill -CONT 77, or npx pm2 restart proxy-monitor",
    ],
    [
      77,
      'D',
      "the monitor's process 77 waits for the kernel (state D), and no signal ends that: look at the disk and at dmesg",
    ],
    [77, 'R', "the monitor's process 77 runs (state R), and does not answer: npx pm2 restart proxy-monitor"],
    [77, 'S', "the monitor's process 77 runs (state S), and does not answer: npx pm2 restart proxy-monitor"],
    [77, null, 'it is there, and does not answer: npx pm2 restart proxy-monitor'],
    [null, null, 'it is there, and does not answer: npx pm2 restart proxy-monitor'],
  ];
  for (const [pid, state, text] of table)
    test(`pid ${pid}, state ${state}`, () =>
      assert.equal(describeMonitorProblem({ app: 'proxy-monitor', pid, state }), text));

  test('in the table, whole, and in its first line', () => {
    const [, , text = ''] = table[0] ?? [];
    const snapshot = { ...snapshotOf(proxyStatus({})), monitor: null, monitorProblem: text };
    const lines = render(snapshot).split('\n');
    assert.equal(lines[0], 'The monitor does not answer. The port is up.');
    const at = lines.findIndex((line) => line.startsWith('✗ proxy-monitor  does not answer'));
    const problemLines = lines.slice(at + 1).map((line) => line.trim());
    assert.equal(problemLines.join(' ').trim(), `→ ${text}`);
    assert.equal(exitCodeOf(snapshot), 3);
  });
});

test("the monitor's row says why PM2's list could not be had", () => {
  const monitor = { ...MONITOR, http: null, pm2Problem: 'the PM2 daemon is not running' };
  const text = render({ ...snapshotOf(proxyStatus({})), monitor });
  assert.match(text, /last 300 ms ago {2}PM2: the PM2 daemon is not running\n/);
});

test('the first line names the machine', () => {
  const snapshot = { ...snapshotOf(proxyStatus({})), host: 'devbox' };
  assert.equal(renderStatus(snapshot, 100, PLAIN, NOW_MS).split('\n')[0], 'devbox: The port is up.');
});

test('checks that fail in the monitor are in the first line, in a line of their own, and in the exit code', () => {
  const snapshot = {
    ...snapshotOf(proxyStatus({})),
    monitor: { ...MONITOR, problems: [problemOf('checks_fail', 'port 6274: a bug', 'report it')] },
  };
  const lines = render(snapshot).split('\n');
  assert.equal(lines[0], 'Checks fail in the monitor. The port was up when last seen 300 ms ago.');
  assert.ok(lines.includes('✓ 6274  MCP Inspector Web UI  up when last seen'));
  assert.ok(lines.includes('! checks fail in the monitor itself  port 6274: a bug: report it'));
  assert.equal(exitCodeOf(snapshot), 1);
});

describe('a PM2 that hangs', () => {
  const problems = [problemOf('pm2_hangs', 'its daemon (pid 4) hangs', 'kill -9 4 and then npm start')];
  const snapshotWith = (change: Partial<ProxyStatus>): Snapshot => ({
    ...snapshotOf(proxyStatus(change)),
    monitor: { ...MONITOR, problems },
  });

  test('is in the first line, in a line of its own, and in the exit code', () => {
    const lines = render(snapshotWith({})).split('\n');
    assert.equal(lines[0], 'PM2 hangs. The port is up.');
    assert.ok(lines.includes('! PM2 hangs  its daemon (pid 4) hangs: kill -9 4 and then npm start'));
    assert.equal(exitCodeOf(snapshotWith({})), 1);
  });

  for (const change of [
    { cause: 'crashed', pm2: 'cannot be asked' },
    { cause: 'crashed', pm2: 'online' },
    { cause: 'hung', pm2: 'cannot be asked' },
  ] as const)
    test(`restarts no port that is ${change.cause} (PM2 ${change.pm2})`, () => {
      const snapshot = snapshotWith({ state: 'down', ...change });
      const cure = /Nothing restarts it until PM2 works again: kill -9 4 and then npm start/;
      for (const text of [render(snapshot), renderBrief(snapshot, 1_000, PLAIN, NOW_MS)]) {
        assert.match(text, cure);
        assert.doesNotMatch(text, /bring it back|The monitor kills/);
      }
    });
});

test('what a monitor out of open files says of the ports is what it saw last', () => {
  const problems = [problemOf('out_of_files', 'it cannot look at the ports', 'raise its limit')];
  const blind = (...proxies: readonly ProxyStatus[]): string =>
    first({ ...snapshotOf(...proxies), monitor: { ...MONITOR, problems, lastCheckAt: NOW_MS - 40_000 } });
  const up = proxyStatus({});
  const down = proxyStatus({ port: 6277, state: 'down', cause: 'upstream_down' });
  assert.equal(
    blind(up, up, up),
    'The monitor is out of open files. All 3 ports were up when last seen 40.0 s ago.',
  );
  assert.equal(
    blind(up, down),
    'The monitor is out of open files. 1 of 2 ports was down when last seen 40.0 s ago: 6277 upstream_down.',
  );
});

describe('the exit code', () => {
  const states: Readonly<Record<ProxyState, 0 | 1>> = {
    up: 0,
    waiting: 0,
    not_needed: 0,
    degraded: 1,
    down: 1,
    starting: 1,
    stopped: 1,
  };
  for (const [state, code] of Object.entries(states) as [ProxyState, 0 | 1][])
    test(`is ${code} when one of two proxies is ${state}, and 3 without the monitor`, () => {
      const snapshot = snapshotOf(proxyStatus({}), proxyStatus({ state }));
      assert.equal(exitCodeOf(snapshot), code);
      assert.equal(exitCodeOf({ ...snapshot, monitor: null }), 3);
    });
});

describe('a proxy is named by its app, its port or its label', () => {
  const snapshot = snapshotOf(proxyStatus({}), proxyStatus({ port: 6277, label: 'MCP Proxy' }));
  const table: Readonly<Record<string, readonly number[] | undefined>> = {
    'tcp-proxy-6277': [6277],
    'TCP-Proxy-6277': [6277],
    '6274': [6274],
    'mcp proxy': [6277],
    '627': undefined,
    MCP: undefined,
    '': undefined,
  };
  for (const [query, ports] of Object.entries(table))
    test(`"${query}" → ${ports ?? 'none'}`, () => {
      const found = selectProxies(snapshot, query);
      assert.deepEqual(
        found?.proxies.map(({ port }) => port),
        ports,
      );
      if (found) assert.deepEqual(found.monitor, snapshot.monitor);
    });
});

test('of a selected proxy there are its own lines of the log and its own alerts, and those of the monitor', () => {
  const log = [
    'Monitoring 6274, 62741 every 1000 ms',
    'Proxy for port 6274 is not running (failure #1)',
    'Proxy for port 62741 is not running (failure #1)',
    'Restarting the proxy for port 62741. It held port 6274',
    '{"event":"restart","proxy":"tcp-proxy-62741"}',
    'Proxy for socket app.sock is healthy again',
    'Proxy for socket app.sock.2 has no upstream: localhost:6274 does not answer',
    'slack: HTTP 500; trying again',
  ];
  const socket = { name: 'unix-proxy-app.sock', id: 'app.sock', label: 'socket' };
  const other = { name: 'unix-proxy-app.sock.2', id: 'app.sock.2', label: 'other' };
  const sockets = [socket, other].map((names) => ({ ...proxyStatus(names), port: null }));
  const proxies = [proxyStatus({}), proxyStatus({ port: 62_741 }), ...sockets];
  const held = { reason: 'patience', since: NOW_MS, dueAt: null, channels: ['slack'] } as const;
  const heldBack = [
    { ...held, proxy: 'tcp-proxy-6274' },
    { ...held, proxy: 'tcp-proxy-62741' },
  ];
  const monitor = { ...MONITOR, alerts: { ...NO_ALERTS, heldBack } };
  const rowsFor = (query: string): readonly [string, readonly number[], readonly string[]] => {
    const selected = selectProxies({ ...snapshotOf(...proxies), monitor, log }, query);
    assert.ok(selected);
    return [
      query,
      selected.log.map((line) => log.indexOf(line)),
      (selected.monitor?.alerts.heldBack ?? []).map(({ proxy }) => proxy),
    ];
  };
  assert.deepEqual(['6274', '62741', 'app.sock', 'app.sock.2'].map(rowsFor), [
    ['6274', [0, 1, 3, 7], ['tcp-proxy-6274']],
    ['62741', [0, 2, 3, 4, 7], ['tcp-proxy-62741']],
    ['app.sock', [0, 5, 7], []],
    ['app.sock.2', [0, 6, 7], []],
  ]);
});

describe('a port that is disabled', () => {
  const withDisabled = (...proxies: readonly ProxyStatus[]): Snapshot => ({
    ...snapshotOf(...proxies),
    disabled: [DISABLED],
  });

  test('is shown, and is no fault', () => {
    const snapshot = withDisabled(proxyStatus({}));
    assert.equal(first(snapshot), 'The port is up. Disabled: 6280.');
    assert.match(render(snapshot), /^- 6280 {2}Debugger {2}disabled in the config$/m);
    assert.equal(exitCodeOf(snapshot), 0);
    assert.equal(exitCodeOf(withDisabled(proxyStatus({ state: 'down', cause: 'hung' }))), 1);
  });

  test('may be the only one, and be asked for', () => {
    assert.equal(first(withDisabled()), 'Disabled: 6280.');
    assert.equal(exitCodeOf(withDisabled()), 0);
    assert.equal(exitCodeOf({ ...withDisabled(), monitor: null }), 3);
    const selected = selectProxies(withDisabled(proxyStatus({})), 'debugger');
    assert.deepEqual([selected?.proxies, selected?.disabled], [[], [DISABLED]]);
    assert.deepEqual(selectProxies(withDisabled(proxyStatus({})), '6274')?.disabled, []);
  });

  test('has no evidence', () =>
    assert.match(
      renderEvidence(withEvidence(withDisabled(), {}), 80, NOW_MS),
      /^6280 {2}Debugger {2}disabled\n$/,
    ));

  test('is not known to a monitor of an earlier version', () => {
    const { disabled: _, ...earlier } = snapshotOf(proxyStatus({}));
    assert.equal(first(earlier as Snapshot), 'The port is up.');
    assert.equal(exitCodeOf(earlier as Snapshot), 0);
  });
});

test('a monitor of an earlier version, which knew no projects, is the default one', () => {
  const { project: _, ...earlier } = snapshotOf(proxyStatus({}));
  const lines = render(earlier as Snapshot);
  assert.match(lines, /^✓ proxy-monitor {2}pid /m);
  assert.match(renderBrief(earlier as Snapshot, 200, PLAIN, 0), /^✓ proxy-monitor {2}/m);
});
