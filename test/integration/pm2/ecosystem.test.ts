import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { requireConfig } from '../../../src/config/load.ts';
import { definePm2Apps, endsApps, REVISION } from '../../../src/pm2/ecosystem.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const FIRST = { listen: '6274', upstream: 'localhost:6274' };

const writeConfig = (): string => {
  const configPath = join(tempFolder(), 'steadyport.json');
  writeFileSync(configPath, JSON.stringify({ project: 'default', proxies: [FIRST] }));
  return configPath;
};

/** @returns the names of the apps that are new after the change of the first of two proxies */
const changedBy = (change: object): readonly string[] => {
  const configPath = join(tempFolder(), 'steadyport.json');
  const revisions = (first: object) => {
    writeFileSync(
      configPath,
      JSON.stringify({
        project: 'default',
        proxies: [first, { listen: '6277', upstream: 'localhost:6277' }],
      }),
    );
    const { config, settings } = requireConfig(configPath);
    return new Map(
      definePm2Apps(config, settings, { folder: '/r', hash: '0' }).map(({ name, env }) => [
        name,
        env[REVISION],
      ]),
    );
  };
  const before = revisions(FIRST);
  const after = revisions({ ...FIRST, ...change });
  return [...after].flatMap(([name, revision]) => (before.get(name) === revision ? [] : [name]));
};

describe('a proxy is started anew by a change of what its process uses', () => {
  const changes = [
    { upstream: 'localhost:6275' },
    { listen: '127.0.0.1:6274' },
    { allow: [] },
    { holdMs: 1 },
    { drainMs: 1 },
    { maxConnections: 1 },
    { logOpen: true },
    { engine: 'portable' },
  ];
  for (const change of changes)
    test(JSON.stringify(change), () =>
      assert.deepEqual(changedBy(change), ['tcp-proxy-6274', 'proxy-monitor']),
    );
});

describe('what is the affair of the monitor starts only the monitor anew', () => {
  const changes = [
    { label: 'MCP Inspector' },
    { probe: { type: 'http' } },
    { optional: true },
    { limits: { memoryBytes: { warn: 1 } } },
  ];
  for (const change of changes)
    test(JSON.stringify(change), () => assert.deepEqual(changedBy(change), ['proxy-monitor']));
});

test('a config that is written anew, and says the same, changes nothing', () => {
  assert.deepEqual(changedBy({ label: 'port 6274' }), []);
});

test('the apps are in the order of the config, and each proxy is looked at a few times, however many there are', () => {
  const configPath = join(tempFolder(), 'steadyport.json');
  const ports = Array.from({ length: 200 }, (_, index) => String(7000 + ((index * 7) % 200)));
  writeFileSync(
    configPath,
    JSON.stringify({ proxies: ports.map((port) => ({ listen: port, upstream: 'localhost:1' })) }),
  );
  const { config, settings } = requireConfig(configPath);
  let reads = 0;
  const proxies = config.proxies.map((proxy) => {
    const counted = { ...proxy };
    return Object.defineProperty(counted, 'name', {
      enumerable: true,
      get: () => {
        reads += 1;
        return proxy.name;
      },
    });
  });
  const apps = definePm2Apps({ ...config, proxies }, settings, { folder: '/r', hash: '0' });
  assert.deepEqual(
    apps.map(({ name }) => name),
    [...ports.map((port) => `tcp-proxy-${port}`), settings.project.monitorApp],
  );
  assert.ok(reads <= 10 * ports.length, `${reads} reads of the names of ${ports.length} proxies`);
});

test('a config that has moved, and says the same, concerns the monitor alone', () => {
  const { config, settings } = requireConfig(writeConfig());
  const revisions = (configPath: string) =>
    new Map(
      definePm2Apps(config, { ...settings, configPath }, { folder: '/r', hash: '0' }).map(({ name, env }) => [
        name,
        env[REVISION],
      ]),
    );
  const moved = revisions('/elsewhere/steadyport.json');
  const changed = [...revisions(settings.configPath)].filter(([name, value]) => moved.get(name) !== value);
  assert.deepEqual(
    changed.map(([name]) => name),
    ['proxy-monitor'],
  );
});

describe('a command of PM2 that only ends the apps', () => {
  const table: readonly [program: string, words: string, isEnding: boolean][] = [
    ['/usr/bin/pm2', 'stop ecosystem.config.js', true],
    ['/srv/node_modules/pm2/bin/pm2', 'delete ecosystem.config.js --only tcp-proxy-6274', true],
    ['/usr/bin/pm2', '-s del ecosystem.config.js', true],
    ['/usr/bin/pm2', 'start ecosystem.config.js', false],
    ['/usr/bin/pm2', 'restart ecosystem.config.js', false],
    ['/usr/bin/pm2', 'reload ecosystem.config.js', false],
    ['/usr/bin/pm2', 'startOrReload ecosystem.config.js', false],
    ['/usr/bin/pm2', 'start ecosystem.config.js --only stop', false],
    // An option with a value before the command: what is unknown counts as a start.
    ['/usr/bin/pm2', '--only tcp-proxy-6274 stop ecosystem.config.js', false],
    ['/usr/bin/pm2-runtime', 'ecosystem.config.js', false],
    ['/srv/deploy.js', 'stop', false],
    ['', '', false],
  ];
  for (const [program, words, isEnding] of table)
    test(`${program} ${words}: ${isEnding}`, () =>
      assert.equal(endsApps(['/usr/bin/node', program, ...words.split(' ')]), isEnding));
});
