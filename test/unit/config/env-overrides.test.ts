import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Config, parseConfig } from '../../../src/config/config.ts';
import type { ConfigVariables } from '../../../src/config/env-overrides.ts';
import { formatConfigError } from '../../../src/config/errors.ts';
import { formatAddress } from '../../../src/lib/address.ts';
import { formatListenSpec } from '../../../src/lib/listen-spec.ts';

const FILE = {
  proxies: [
    { listen: '6274', upstream: 'localhost:6274', label: 'UI' },
    { listen: '6277', upstream: 'localhost:6277', label: 'MCP', holdMs: 1, probe: { type: 'tcp' } },
  ],
  monitor: { intervalMs: 700, failureThreshold: 7 },
};

const parse = (variables: ConfigVariables, file: unknown = FILE): Config => {
  const result = parseConfig(file, variables);
  assert.ok(result.ok, result.ok ? '' : result.errors.map(formatConfigError).join('\n'));
  return result.config;
};

test('PROXIES adds ports and overrides the addresses of others, and closes none', () => {
  const { proxies } = parse({ PROXIES: '7000:db.internal:5432,6277:10.0.0.2:80' });
  assert.deepEqual(
    proxies.map(({ id, label, holdMs, probe, upstream }) => ({ id, label, holdMs, probe, upstream })),
    [
      {
        id: '6274',
        label: 'UI',
        holdMs: 10_000,
        probe: { type: 'listen' },
        upstream: { host: 'localhost', port: 6274 },
      },
      {
        id: '6277',
        label: 'MCP',
        holdMs: 1,
        probe: { type: 'tcp' },
        upstream: { host: '10.0.0.2', port: 80 },
      },
      {
        id: '7000',
        label: 'port 7000',
        holdMs: 10_000,
        probe: { type: 'tcp' },
        upstream: { host: 'db.internal', port: 5432 },
      },
    ],
  );
});

test('PROXIES of the environment goes over that of .env, and closes nothing of it', () => {
  const { proxies } = parse({
    dotEnvProxies: '7000:localhost:1,7001:localhost:1',
    PROXIES: '7001:localhost:2,7002:localhost:2',
  });
  assert.deepEqual(
    proxies.map(({ id, upstream }) => [id, upstream.port]),
    [
      ['6274', 6274],
      ['6277', 6277],
      ['7000', 1],
      ['7001', 2],
      ['7002', 2],
    ],
  );
});

test('PROXIES needs no entry in the file', () => {
  assert.deepEqual(
    parse({ PROXIES: '6274:localhost:6274' }, {}).proxies.map(({ name }) => name),
    ['tcp-proxy-6274'],
  );
});

describe('an item of PROXIES is LISTEN:HOST:PORT', () => {
  const table: readonly [item: string, listen: string, upstream: string][] = [
    ['6274:localhost:6274', '6274', 'localhost:6274'],
    [' 6274:localhost:6274 ', '6274', 'localhost:6274'],
    ['0.0.0.0:6274:localhost:80', '0.0.0.0:6274', 'localhost:80'],
    ['external:6274:localhost:6274', 'external:6274', 'localhost:6274'],
    ['[::1]:7000:127.0.0.1:7001', '[::1]:7000', '127.0.0.1:7001'],
    ['7000:[::1]:7000', '7000', '[::1]:7000'],
    ['[::]:7000:[2001:DB8::1]:7001', '[::]:7000', '[2001:db8::1]:7001'],
  ];
  for (const [item, listen, upstream] of table)
    test(`"${item}"`, () => {
      const [proxy] = parse({ PROXIES: item }, {}).proxies;
      assert.ok(proxy);
      assert.deepEqual([formatListenSpec(proxy.listen), formatAddress(proxy.upstream)], [listen, upstream]);
    });
});

describe('a number variable takes precedence over the file, and an empty one counts as unset', () => {
  const table: readonly [variables: ConfigVariables, intervalMs: number, failureThreshold: number][] = [
    [{}, 700, 7],
    [{ CHECK_INTERVAL_MS: '10000' }, 10_000, 7],
    [{ FAILURE_THRESHOLD: '5' }, 700, 5],
    [{ RESTART_THRESHOLD: '4' }, 700, 4],
    [{ FAILURE_THRESHOLD: '5', RESTART_THRESHOLD: '4' }, 700, 5],
    [{ FAILURE_THRESHOLD: '', RESTART_THRESHOLD: '4' }, 700, 4],
    [{ PROXIES: '', CHECK_INTERVAL_MS: '', RESTART_THRESHOLD: '' }, 700, 7],
  ];
  for (const [variables, intervalMs, failureThreshold] of table)
    test(JSON.stringify(variables), () => {
      const { monitor, proxies } = parse(variables);
      assert.deepEqual([monitor.intervalMs, monitor.failureThreshold], [intervalMs, failureThreshold]);
      assert.equal(proxies.length, 2);
    });
});

test('STEADYPORT_HOST takes precedence over the file, and an empty one counts as unset', () => {
  const file = { ...FILE, host: 'from-the-file' };
  assert.equal(parse({ STEADYPORT_HOST: 'from-outside' }, file).host, 'from-outside');
  assert.equal(parse({ STEADYPORT_HOST: '' }, file).host, 'from-the-file');
});

test('a number variable needs no monitor section in the file', () => {
  const { monitor } = parse({ CHECK_INTERVAL_MS: '2000' }, { proxies: FILE.proxies });
  assert.deepEqual([monitor.intervalMs, monitor.failureThreshold], [2_000, 3]);
});
