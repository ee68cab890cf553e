import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { describe, test } from 'node:test';
import { type Config, parseConfig } from '../../../src/config/config.ts';
import type { ConfigVariables } from '../../../src/config/env-overrides.ts';
import { formatConfigError } from '../../../src/config/errors.ts';

const UI = { listen: '6274', upstream: 'localhost:6274' };
const MCP = { listen: '6277', upstream: 'localhost:6277', label: 'MCP', holdMs: 1, probe: { type: 'tcp' } };

const parse = (file: unknown, variables: ConfigVariables = {}): Config => {
  const result = parseConfig(file, variables);
  assert.ok(result.ok, result.ok ? '' : result.errors.map(formatConfigError).join('\n'));
  return result.config;
};

test('two addresses are enough: every other key has its default', () => {
  assert.deepEqual(parse({ proxies: [UI] }), {
    proxies: [
      {
        name: 'tcp-proxy-6274',
        id: '6274',
        place: 'port 6274',
        label: 'port 6274',
        listen: { kind: 'auto', port: 6274 },
        upstream: { host: 'localhost', port: 6274 },
        probe: { type: 'listen' },
        allow: ['loopback', 'private'],
        holdMs: 10_000,
        connectTimeoutMs: 5_000,
        idleTimeoutMs: 3_600_000,
        halfCloseTimeoutMs: 60_000,
        maxConnections: 0,
        maxHeld: 1_000,
        drainMs: 10_000,
        logOpen: false,
        engine: 'auto',
        optional: false,
        alerts: {},
        limits: {
          memoryBytes: { warn: 268_435_456, restart: 536_870_912 },
          cpuPercent: { warn: 90, restart: 0 },
          openFilesPercent: { warn: 80, restart: 95 },
          lagMs: { warn: 100, restart: 0 },
        },
      },
    ],
    monitor: {
      intervalMs: 1_000,
      probeIntervalMs: 10_000,
      fastIntervalMs: 250,
      failureThreshold: 3,
      successThreshold: 2,
      maxRestarts: 10,
      restartWindowMs: 600_000,
      restartCooldownMs: 60_000,
      probeTimeoutMs: 2_000,
      http: { host: '127.0.0.1', port: 6270 },
      allowedHosts: [],
    },
    disabled: [],
    host: hostname(),
    alerts: {
      afterMs: 60_000,
      ownFaultAfterMs: 15_000,
      channels: {},
      groupWaitMs: 5_000,
      repeatIntervalMs: 14_400_000,
      flapping: { threshold: 4, windowMs: 600_000, afterMs: 120_000 },
    },
    logs: { maxBytes: 20_971_520, maxFiles: 14 },
  });
});

test('ten times as many proxies are ten times the work, not a hundred times', (t) => {
  const replace = t.mock.method(String.prototype, 'replace');
  const countCalls = (proxyCount: number): number => {
    replace.mock.resetCalls();
    const proxies = Array.from({ length: proxyCount }, (_, index) => ({
      listen: `${10_000 + index}`,
      upstream: 'localhost:80',
    }));
    assert.ok(parseConfig({ proxies }).ok);
    return replace.mock.callCount();
  };
  assert.ok(countCalls(500) <= 10 * countCalls(50));
});

test('a label and a message about a key reach no terminal as a command', () => {
  const proxy = { listen: '6274', upstream: 'localhost:6274', label: 'a\nb\x1b[2J' };
  const result = parseConfig({ proxies: [proxy] });
  assert.ok(result.ok);
  assert.equal(result.config.proxies[0]?.label, 'a\\u000ab\\u001b[2J');
  const invalid = parseConfig({ proxies: [proxy], '\x1b[2J\u202e': '\u202e' });
  assert.ok(!invalid.ok);
  assert.match(
    invalid.errors.map(formatConfigError).join('\n'),
    /^\\u001b\[2J\\u202e is "\\u202e": unknown key/,
  );
});

test('what is written is kept, at the ends of its range too', () => {
  const monitor = {
    intervalMs: 50,
    probeIntervalMs: 100,
    fastIntervalMs: 50,
    failureThreshold: 1,
    successThreshold: 1_000_000,
    probeTimeoutMs: 99,
    maxRestarts: 0,
    restartWindowMs: 1_000,
    restartCooldownMs: 1_000,
    http: false,
    allowedHosts: ['steadyport.example.com'],
  };
  const proxy = {
    label: 'x',
    probe: { type: 'http', path: '/health', status: 599, body: '"ok"', tls: 'verify' },
    allow: ['any', '192.0.2.0/24', '2001:db8::/32', '10.1.2.3'],
    holdMs: 0,
    connectTimeoutMs: 1,
    idleTimeoutMs: 2_147_483_647,
    halfCloseTimeoutMs: 0,
    maxConnections: 1_000_000,
    maxHeld: 0,
    drainMs: 0,
    logOpen: true,
    engine: 'portable',
    optional: true,
    limits: {
      memoryBytes: { warn: 0, restart: 2 ** 50 },
      cpuPercent: { warn: 0, restart: 100_000 },
      openFilesPercent: { warn: 0, restart: 100 },
      lagMs: { warn: 60_000, restart: 0 },
    },
  };
  const config = parse({ $schema: './x.json', proxies: [{ ...UI, ...proxy }], monitor });
  assert.deepEqual(config.monitor, monitor);
  for (const [key, value] of Object.entries(proxy))
    assert.deepEqual(Object.entries(config.proxies[0] ?? {}).find(([name]) => name === key)?.[1], value, key);
});

test('no patience at all needs one key', () => {
  const { alerts } = parse({ proxies: [UI], alerts: { afterMs: 0 } });
  assert.equal(alerts.afterMs, 0);
});

test('no reminders are compatible with every group window', () => {
  for (const groupWaitMs of [0, 5_000]) {
    const { alerts } = parse({ proxies: [UI], alerts: { groupWaitMs, repeatIntervalMs: 0 } });
    assert.deepEqual([alerts.groupWaitMs, alerts.repeatIntervalMs], [groupWaitMs, 0]);
  }
});

describe('the probe is by default one that does not touch an upstream of this host', () => {
  const table: readonly [upstream: string, type: string][] = [
    ['localhost:1', 'listen'],
    ['127.0.0.9:1', 'listen'],
    ['[0::1]:1', 'listen'],
    ['192.0.2.1:1', 'tcp'],
    ['[2001:db8::1]:1', 'tcp'],
    ['db.internal:1', 'tcp'],
  ];
  for (const [upstream, type] of table)
    test(`${upstream} → ${type}`, () =>
      assert.deepEqual(parse({ proxies: [{ ...UI, upstream }] }).proxies[0]?.probe, { type }));
});

test('an http probe asks for / by default, an expect probe sends nothing, and neither uses TLS', () => {
  const probeOf = (probe: object) => parse({ proxies: [{ ...UI, probe }] }).proxies[0]?.probe;
  assert.deepEqual(probeOf({ type: 'http' }), { type: 'http', path: '/', tls: false });
  const greeting = { type: 'expect', expect: 'SSH-2.0' };
  assert.deepEqual(probeOf(greeting), { ...greeting, send: '', tls: false });
  const asked = { type: 'expect', send: 'PING\r\n', expect: '+PONG', tls: true };
  assert.deepEqual(probeOf(asked), asked);
});

test('a proxy in front of localhost may listen on the wildcard or on one of the two loopbacks', () => {
  for (const listen of ['0.0.0.0:6274', '[::]:6274', '127.0.0.1:6274', '[::1]:6274', 'external:6274'])
    assert.equal(parse({ proxies: [{ ...UI, listen }] }).proxies[0]?.id, '6274');
});

test('a proxy on a unix socket is called by its file, and a socket is checked by a connect', () => {
  const [proxy] = parse({ proxies: [{ listen: 'unix:/run/a.sock', upstream: 'unix:/run/b.sock' }] }).proxies;
  assert.ok(proxy);
  const { name, id, label, probe } = proxy;
  assert.deepEqual([name, id, label, probe.type], ['unix-proxy-a.sock', 'a.sock', 'socket a.sock', 'tcp']);
});

test('the config is frozen all the way down', () => {
  const config = parse({ proxies: [MCP] });
  const check = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    assert.ok(Object.isFrozen(value), path);
    for (const [key, inner] of Object.entries(value)) check(inner, `${path}.${key}`);
  };
  check(config, 'config');
});

test('the defaults are not shared: two configs do not freeze or change each other', () => {
  const [one, other] = [parse({ proxies: [UI] }), parse({ proxies: [UI] })];
  assert.deepEqual(one, other);
  assert.notEqual(one.proxies[0], other.proxies[0]);
});

test('a value that is a page long is cut in its message', () => {
  const result = parseConfig({ proxies: [{ ...UI, label: Array.from({ length: 1_000 }, () => 'x') }] });
  assert.ok(!result.ok);
  assert.match(
    result.errors.map(formatConfigError).join('\n'),
    /^proxies\[0\]\.label is \["x",.{190,200}…: expected a text$/,
  );
});

describe('a proxy with "enabled": false', () => {
  const OFF = { ...MCP, enabled: false };
  const names = ({ proxies, disabled }: Config) =>
    [proxies, disabled].map((list) => list.map(({ name }) => name));

  test('is no proxy of the config, and all may be so', () => {
    const config = parse({ proxies: [OFF, UI] });
    assert.deepEqual(names(config), [['tcp-proxy-6274'], ['tcp-proxy-6277']]);
    assert.equal('enabled' in (config.proxies[0] ?? {}), false);
    assert.deepEqual(names(parse({ proxies: [OFF] })), [[], ['tcp-proxy-6277']]);
  });

  test('leaves its port to others, to the page of the monitor too', () => {
    const config = { proxies: [OFF, { ...OFF, upstream: 'localhost:1' }, UI, { ...MCP, enabled: true }] };
    assert.deepEqual(names(parse(config)), [
      ['tcp-proxy-6274', 'tcp-proxy-6277'],
      ['tcp-proxy-6277', 'tcp-proxy-6277'],
    ]);
    const ofPage = { listen: '6270', upstream: 'localhost:6270', enabled: false };
    assert.deepEqual(names(parse({ proxies: [UI, ofPage] }))[1], ['tcp-proxy-6270']);
  });

  test('stays so when PROXIES names its port, unless another entry has it', () => {
    const variables = { PROXIES: '6277:localhost:1' };
    const off = parse({ proxies: [UI, OFF] }, variables);
    assert.deepEqual(names(off), [['tcp-proxy-6274'], ['tcp-proxy-6277']]);
    const other = parse({ proxies: [OFF, MCP, UI] }, variables);
    assert.deepEqual(
      [...other.proxies, ...other.disabled].map(({ id, upstream }) => [id, upstream.port]),
      [
        ['6277', 1],
        ['6274', 6274],
        ['6277', 6277],
      ],
    );
  });
});
