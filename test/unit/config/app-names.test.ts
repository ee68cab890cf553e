import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSteadyportName, MONITOR_APP, proxyAppName, proxyIdOf } from '../../../src/config/app-names.ts';

test("a proxy's app name gives its id back", () => {
  for (const [id, isUnixSocket] of [
    ['6274', false],
    ['app.sock', true],
    ['a_b-c.sock', true],
  ] as const)
    assert.equal(proxyIdOf(proxyAppName(id, isUnixSocket)), id);
});

test('other names are not names of a proxy', () => {
  for (const app of [
    'tcp-proxy-',
    'tcp-proxy-app',
    'unix-proxy-a b',
    'my-tcp-proxy-1',
    'tcp-proxy-1-2',
    'shop',
  ])
    assert.equal(proxyIdOf(app), undefined, app);
  assert.equal(proxyIdOf(MONITOR_APP), undefined);
});

test('the monitor and the proxies have a name of steadyport', () => {
  for (const app of [MONITOR_APP, 'tcp-proxy-1', 'unix-proxy-a.sock']) assert.ok(isSteadyportName(app), app);
  assert.ok(!isSteadyportName('shop'));
});
