import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ProxyConfig, parseConfig } from '../../../src/config/config.ts';
import { addSample, NO_SAMPLES, usageOf } from '../../../src/health/resource-limits.ts';
import { createHealth } from '../../../src/health/state.ts';
import type { Cause } from '../../../src/health/types.ts';
import { formatAddress, isLoopback } from '../../../src/lib/address.ts';
import type { CheckReport } from '../../../src/monitor/checks/collect.ts';
import { alertViewOf, describeProxy } from '../../../src/monitor/snapshot.ts';
import { createStatsCollector } from '../../../src/proxy/connection-stats.ts';
import type { ProxyStatus } from '../../../src/status/snapshot.ts';
import { localAddresses } from '../../../src/system/proc/network-interfaces.ts';
import { WELL } from '../../support/health/health-scenario.ts';

const binding = (host: string, state: 'bound' | 'in_use', pid: number | null = null) => ({
  address: `${host}:6274`,
  host,
  port: 6274,
  state,
  code: null,
  portOwner: pid === null ? null : { pid, command: 'vite', uid: 0 },
});

const REPORT: CheckReport = {
  evidence: WELL,
  isOutdated: false,
  isProbed: true,
  usage: usageOf(NO_SAMPLES),
  explain: () => null,
  pid: 4242,
  proxyReport: {
    pid: 4242,
    startedAt: 1_000,
    engine: 'portable',
    engineReason: null,
    dataPath: 'unknown',
    bindings: [binding('192.0.2.7', 'in_use', 9), binding('192.0.2.8', 'bound')],
    connections: {
      ...createStatsCollector().read(),
      active: 1,
      total: 2,
      waitingForUpstream: 0,
      waitingForSlot: 0,
      maxConnections: 9,
      bytesToUpstream: 3,
      bytesToClient: 4,
      connectFailures: {},
    },
    cpuMs: 0,
  },
  resourceSample: null,
  probeMs: 3,
  detail: 'said by a check',
  listenProblem: '192.0.2.7:6274 is held by pid 9',
  listenAdvice: null,
  startProblem: null,
  startAdvice: null,
  checkedAddress: { host: '192.0.2.8', port: 6274 },
};

const proxyConfigOf = (extra: object): ProxyConfig => {
  const proxies = [{ listen: '192.0.2.8:6274', upstream: 'localhost:6274', ...extra }];
  const config = parseConfig({ proxies });
  assert.ok(config.ok && config.config.proxies[0]);
  return config.config.proxies[0];
};

const describe = (
  change: Partial<CheckReport> | null,
  recovery = { count: 3, lastMs: 5, totalMs: 10 },
  extra: object = {},
) => {
  const proxy = proxyConfigOf(extra);
  const health = { ...createHealth(1_761_902_000_000), recovery };
  return describeProxy(
    proxy,
    health,
    change ? { ...REPORT, ...change } : undefined,
    { statusText: 'online', ending: null },
    3,
  );
};

const numbers = (value: unknown): readonly number[] =>
  typeof value === 'number'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(numbers)
      : [];

test('every number of a status is an integer, the mean recovery time too', () => {
  const sample = { pid: 4242, rssBytes: 57e6, openFiles: 24, openFilesLimit: 20_000, responseMs: 2.096_363 };
  const earlier = addSample(NO_SAMPLES, { ...sample, at: 0.5, cpuMs: 1.25 });
  const usage = usageOf(addSample(earlier, { ...sample, at: 1_000.75, cpuMs: 9.5 }));
  const status = describe({ usage });
  assert.deepEqual([status.recovery.meanMs, status.usage.lagMs, status.usage.cpuPercent], [3, 2, 1]);
  for (const number of numbers(status)) assert.ok(Number.isInteger(number), String(number));
});

test('without a recovery the mean is 0, not a division by it', () => {
  assert.deepEqual(describe({}, { count: 0, lastMs: 0, totalMs: 0 }).recovery, {
    count: 0,
    lastMs: 0,
    meanMs: 0,
  });
});

test('what is bound is listed, and who holds the rest', () => {
  const { listen, portOwner, connections, engine } = describe({});
  assert.deepEqual(listen, ['192.0.2.8:6274']);
  assert.equal(portOwner, 'pid 9 (vite)');
  assert.deepEqual(connections, { active: 1, total: 2 });
  assert.equal(engine, 'portable');
});

test('a port that the upstream has on loopback is shared, in the status and for the alerts', () => {
  const sharesPort = (upstream: string): readonly boolean[] => {
    const proxy = proxyConfigOf({ upstream });
    const health = createHealth(0);
    return [
      describeProxy(proxy, health, undefined, { statusText: 'online', ending: null }, 3).sharesPort,
      alertViewOf(proxy, health, undefined, 0, null, 'devbox', null).sharesPort,
    ];
  };
  assert.deepEqual(sharesPort('localhost:6274'), [true, true]);
  assert.deepEqual(sharesPort('localhost:8080'), [false, false]);
});

test('an uptime is given once the port has been observed for ten minutes', () => {
  const parsed = parseConfig({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }] });
  assert.ok(parsed.ok && parsed.config.proxies[0]);
  const [proxy] = parsed.config.proxies;
  const uptimeAfter = (observedMs: number): number | null => {
    const health = { ...createHealth(Date.now() - observedMs), downMs: observedMs / 4 };
    return describeProxy(proxy, health, undefined, { statusText: 'online', ending: null }, 3).uptimePercent;
  };
  assert.equal(uptimeAfter(1_000), null);
  assert.equal(uptimeAfter(590_000), null);
  assert.equal(Math.round(uptimeAfter(600_000) ?? 0), 75);
});

test('the refusals are those of the report, and no other end of a connection is among them', () => {
  const { proxyReport } = REPORT;
  assert.ok(proxyReport);
  const byReason = { done: 9, client_gone: 1, not_allowed: 12, too_many: 2 };
  const lastNotAllowed = { host: '203.0.113.7', at: 5 };
  const connections = { ...proxyReport.connections, byReason };
  assert.deepEqual(describe({ proxyReport: { ...proxyReport, connections, lastNotAllowed } }).refusals, {
    byReason: { not_allowed: 12, too_many: 2 },
    lastNotAllowed,
  });
  assert.deepEqual(describe({}).refusals, { byReason: {}, lastNotAllowed: null });
  assert.deepEqual(describe(null).refusals, { byReason: {}, lastNotAllowed: null });
});

test('before the first check there is what the config says', () => {
  const status = describe(null);
  const { listen, pid, engine, checkMs, portOwner, urls, answersOnOwnAddress, connections } = status;
  assert.deepEqual(listen, ['192.0.2.8:6274']);
  assert.deepEqual([pid, engine, checkMs, portOwner, answersOnOwnAddress], [null, null, null, null, null]);
  assert.deepEqual(urls, []);
  assert.deepEqual(connections, { active: 0, total: 0 });
});

test('whether a port answers outside is only said of an address that is outside', () => {
  const answers = (
    checkedAddress: CheckReport['checkedAddress'],
    accepts: 'ok' | 'failed' | 'unknown',
  ): ProxyStatus['answersOnOwnAddress'] =>
    describe({ checkedAddress, evidence: { ...WELL, accepts } }).answersOnOwnAddress;
  assert.equal(answers({ host: '192.0.2.8', port: 6274 }, 'ok'), true);
  assert.equal(answers({ host: '192.0.2.8', port: 6274 }, 'failed'), false);
  assert.equal(answers({ host: '127.0.0.1', port: 6274 }, 'ok'), null);
  assert.equal(answers(null, 'unknown'), null);
});

test('what a check said is shown only where there is a cause', () => {
  assert.equal(describe({}).detail, null);
});

test('the detail of a crash is how the process ended, and of any other cause what the check said', () => {
  const parsed = parseConfig({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }] });
  assert.ok(parsed.ok);
  const [proxy] = parsed.config.proxies;
  assert.ok(proxy);
  const detailOf = (cause: Cause, ending: string | null) =>
    describeProxy(
      proxy,
      { ...createHealth(0), state: 'down', cause },
      { ...REPORT, detail: 'the check' },
      { statusText: 'online', ending },
      3,
    ).detail;
  assert.equal(detailOf('crashed', 'killed by SIGKILL'), 'killed by SIGKILL');
  assert.equal(detailOf('crash_loop', 'exited with code 3'), 'exited with code 3');
  assert.equal(detailOf('crashed', null), null);
  assert.equal(detailOf('upstream_down', 'killed by SIGKILL'), 'the check');
  assert.equal(detailOf('port_in_use', null), '192.0.2.7:6274 is held by pid 9');
});

test('what to open from elsewhere is http or https only where the probe says so', () => {
  const { proxyReport } = REPORT;
  assert.ok(proxyReport);
  const bound = {
    proxyReport: { ...proxyReport, bindings: [binding('0.0.0.0', 'bound'), binding('::', 'bound')] },
  };
  const outside = localAddresses().filter((host) => !isLoopback(host) && !host.includes('%'));
  const urls = (probe: object) => describe(bound, undefined, { probe }).urls;
  const opened = (scheme: string) =>
    outside.map((host) => `${scheme}://${formatAddress({ host, port: 6274 })}`);
  assert.deepEqual(urls({ type: 'tcp' }), opened('tcp'));
  assert.deepEqual(urls({ type: 'http' }), opened('http'));
  assert.deepEqual(urls({ type: 'http', tls: true }), opened('https'));
  assert.deepEqual(urls({ type: 'expect', expect: 'x', tls: true }), opened('tcp'));
});

test('the pid of a process that is gone is not shown', () => {
  for (const [process, pid] of [
    ['alive', 4242],
    ['gone', null],
    ['zombie', null],
  ] as const)
    assert.equal(describe({ evidence: { ...WELL, process } }).pid, pid, process);
});
