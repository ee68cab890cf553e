import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import { portTargets } from '../../../src/http/service-discovery.ts';

const LOCAL = ['127.0.0.1', '::1', '10.0.0.5', 'fd00::5', 'fe80::5%eth0'];

const targetsOf = (listen: string, upstream: string): readonly string[] => {
  const result = parseConfig({ proxies: [{ listen, upstream, label: 'the app' }] });
  assert.ok(result.ok);
  return portTargets(result.config.proxies, LOCAL).flatMap(({ targets }) => targets);
};

test('the targets of a port are the addresses at which another machine reaches it', () => {
  for (const [listen, upstream, targets] of [
    ['7000', 'localhost:7000', ['10.0.0.5:7000', '[fd00::5]:7000']],
    ['7000', 'db.example.net:80', ['10.0.0.5:7000', '[fd00::5]:7000']],
    ['0.0.0.0:7000', 'localhost:7001', ['10.0.0.5:7000']],
    ['[fd00::5]:7000', 'localhost:7001', ['[fd00::5]:7000']],
    ['localhost:7000', 'localhost:7001', []],
    ['unix:/run/app.sock', 'localhost:7001', []],
  ] as const)
    assert.deepEqual(targetsOf(listen, upstream), targets, listen);
});

test('a group of targets has the app and its label', () => {
  const result = parseConfig({ proxies: [{ listen: '0.0.0.0:7000', upstream: 'b:1', label: 'the app' }] });
  assert.ok(result.ok);
  assert.deepEqual(portTargets(result.config.proxies, LOCAL), [
    { targets: ['10.0.0.5:7000'], labels: { proxy: 'tcp-proxy-7000', label: 'the app' } },
  ]);
});
