import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import { projectOf } from '../../../src/config/project/project.ts';
import { defineApps } from '../../../src/pm2/apps.ts';

const proxies = [
  { listen: '6277', upstream: 'localhost:6277', drainMs: 500 },
  { listen: '6274', upstream: 'localhost:6274' },
];

const OWNER = { STEADYPORT_HOME: '/h', STEADYPORT_PROJECT: 'default' };

const define = (root: string) => {
  const result = parseConfig({ proxies });
  assert.ok(result.ok);
  return defineApps(result.config, root, projectOf('/h', 'default'), OWNER, '/c/steadyport.json');
};

test('there is an app for each proxy, and the monitor comes last', () => {
  assert.deepEqual(
    define('/srv').map(({ name, args }) => [name, ...args]),
    [
      ['tcp-proxy-6277', 'run', 'tcp-proxy-6277'],
      ['tcp-proxy-6274', 'run', 'tcp-proxy-6274'],
      ['proxy-monitor', 'monitor'],
    ],
  );
});

test('PM2 waits a second longer than the proxy drains before it kills it', () => {
  assert.deepEqual(
    define('/srv').map((app) => app['kill_timeout']),
    [1_500, 11_000, 2_000],
  );
});

test('every app runs the same script with the given environment, a proxy with its memory settings, the monitor with the config', () => {
  for (const { script, cwd, env, ...app } of define('/srv/a folder')) {
    assert.deepEqual([cwd, script], ['/srv/a folder', 'dist/cli.js']);
    const ofItsOwn =
      app.name === 'proxy-monitor' ? { STEADYPORT_CONFIG: '/c/steadyport.json' } : { MALLOC_ARENA_MAX: '1' };
    assert.deepEqual(env, { ...OWNER, ...ofItsOwn });
    assert.deepEqual([app['filter_env'], app['exec_mode']], [[''], 'fork']);
  }
});
