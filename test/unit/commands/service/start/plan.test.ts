import assert from 'node:assert/strict';
import { rmSync, symlinkSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type Plan, type PlanInput, planStart } from '../../../../../src/commands/service/start/plan.ts';
import { parseConfig } from '../../../../../src/config/config.ts';
import { projectOf } from '../../../../../src/config/project/project.ts';
import { type AppDefinition, defineApps } from '../../../../../src/pm2/apps.ts';
import type { Pm2App } from '../../../../../src/pm2/client.ts';
import { launchSettingsFor } from '../../../../../src/pm2/launch.ts';
import { tempFolder } from '../../../../support/temp-dir.ts';

const NODES: Readonly<Record<string, string>> = {
  '/bin': '/bin/node',
  '/link': '/bin/node',
  '/new/bin': '/new/bin/node',
};
const findProgram: PlanInput['findProgram'] = (name, searchPath) =>
  name === 'node'
    ? searchPath
        .split(':')
        .map((folder) => NODES[folder])
        .find((path) => path !== undefined)
    : undefined;

const ENV = {
  STEADYPORT_HOME: '/h',
  STEADYPORT_PROJECT: 'default',
  PATH: '/bin',
  HOME: '/home/u',
  LANG: 'C',
  TZ: 'UTC',
};

const defineWith = (env: Readonly<Record<string, string>> = {}): readonly AppDefinition[] => {
  const result = parseConfig({
    proxies: [
      { listen: '6274', upstream: 'localhost:6274' },
      { listen: '6277', upstream: 'localhost:6277' },
    ],
  });
  assert.ok(result.ok);
  return defineApps(
    result.config,
    '/srv',
    projectOf('/h', 'default'),
    { ...ENV, ...env },
    '/c/steadyport.json',
  ).map((app) => ({
    ...app,
    env: { ...app.env, STEADYPORT_REVISION: 'r' },
  }));
};

const APPS = defineWith();
const MONITOR = 'proxy-monitor';
const PROXY = 'tcp-proxy-6274';
const OTHER = 'tcp-proxy-6277';

/** The apps as PM2 lists them when they run as they are defined, with what PM2 itself adds. */
const runningApps = (): Map<string, Pm2App> =>
  new Map(
    APPS.map((app, index) => [
      app.name,
      {
        pid: 100 + index,
        status: 'online',
        statusText: 'online',
        pm2Id: index,
        launch: { ...launchSettingsFor(app), attemptedAt: 0, daemonLog: '' },
        env: { ...app.env, unique_id: 'u', [app.name]: '{}', PM2_USAGE: 'CLI', PM2_JSON_PROCESSING: 'true' },
      },
    ]),
  );

const planWith = (change: Partial<PlanInput>): Plan =>
  planStart({
    apps: APPS,
    disabled: [],
    listed: runningApps(),
    monitorApp: MONITOR,
    crashed: [],
    named: null,
    findProgram,
    ...change,
  });

/** The plan when PM2 lists one app with this change. */
const planAfter = (
  change: (app: Pm2App) => Partial<Pm2App>,
  name = PROXY,
  more: Partial<PlanInput> = {},
): Plan => {
  const listed = runningApps();
  const app = listed.get(name);
  assert.ok(app);
  return planWith({ listed: listed.set(name, { ...app, ...change(app) }), ...more });
};

const touched = (plan: Plan): readonly string[] =>
  plan
    .filter(({ action }) => action !== 'keep')
    .map(({ name, action, reasons }) => [`${action} ${name}`, ...reasons].join(': '));

const withLaunch = (launch: Partial<NonNullable<Pm2App['launch']>>) => (app: Pm2App) => {
  assert.ok(app.launch);
  return { launch: { ...app.launch, ...launch } };
};
const inFolder = (folder: string) => withLaunch({ folder, script: `${folder}/dist/cli.js` });
/** PM2 has each variable beside the settings too (executeApp in its lib/God.js). */
const withEnv = (env: Readonly<Record<string, string | undefined>>) => (app: Pm2App) => ({
  env: { ...app.env, ...env },
  ...('PATH' in env ? withLaunch({ searchPath: env['PATH'] ?? null })(app) : {}),
});

test('what runs as it is configured is kept, and what PM2 itself puts into its environment does not count', () => {
  assert.deepEqual(touched(planWith({})), []);
});

test('what PM2 does not have is started', () => {
  assert.deepEqual(touched(planWith({ listed: new Map() })), [
    `start ${PROXY}`,
    `start ${OTHER}`,
    `start ${MONITOR}`,
  ]);
});

describe('each difference alone replaces the app', () => {
  const differences: readonly (readonly [(app: Pm2App) => Partial<Pm2App>, string])[] = [
    [withLaunch({ script: '/old/dist/cli.js' }), 'another script: /old/dist/cli.js, not /srv/dist/cli.js'],
    [inFolder('/old'), 'another folder: /old, not /srv'],
    [withLaunch({ interpreter: '/x/node' }), 'another interpreter: /x/node, not node'],
    [
      withLaunch({ interpreterArgs: [] }),
      'other options of the interpreter: (none), not --max-semi-space-size=1',
    ],
    [withLaunch({ args: ['run', OTHER] }), `other arguments: run ${OTHER}, not run ${PROXY}`],
    [withLaunch({ namespace: 'default' }), 'another namespace: default, not steadyport'],
    [withEnv({ FOO: 'secret' }), 'environment: FOO (there, and should not be)'],
    [
      withEnv({ A: '1', B: '2', C: '3', D: '4', E: '5' }),
      'environment: A, B, C and 2 more (there, and should not be)',
    ],
    [withEnv({ STEADYPORT_HOME: undefined }), 'environment: STEADYPORT_HOME (missing)'],
    [withEnv({ STEADYPORT_HOME: '/other' }), 'environment: STEADYPORT_HOME (another one)'],
    [withEnv({ STEADYPORT_DEBUG: '*' }), 'environment: STEADYPORT_DEBUG (there, and should not be)'],
    [withEnv({ PATH: '/new/bin' }), 'another node: /new/bin/node, not /bin/node'],
    [withEnv({ PATH: '/gone/bin' }), 'node is no longer on the PATH, and the next start would fail'],
    [withEnv({ STEADYPORT_REVISION: 'q' }), 'the config or the code has changed'],
    [() => ({ status: 'start_failed', pid: null }), 'PM2 could not start a process'],
    [
      () => ({ status: 'waiting_restart', statusText: 'waiting restart' }),
      'crashed, and PM2 waits before it starts it again',
    ],
    [() => ({ status: 'gave_up', statusText: 'errored' }), 'PM2 has given it up'],
    [() => ({ status: 'unknown', statusText: 'odd' }), 'PM2 has it as "odd"'],
  ];
  for (const [change, reason] of differences)
    test(reason, () => assert.deepEqual(touched(planAfter(change)), [`replace ${PROXY}: ${reason}`]));
});

test('an app of which PM2 does not say what it runs is replaced', () => {
  const listed = runningApps();
  const { launch: _launch, ...app } = listed.get(PROXY) ?? assert.fail();
  assert.deepEqual(touched(planWith({ listed: listed.set(PROXY, app) })), [
    `replace ${PROXY}: PM2 does not say what it runs`,
  ]);
});

test('a changed revision is no second reason beside what it includes', () => {
  const plan = planAfter((app) => ({
    ...inFolder('/old')(app),
    ...withEnv({ STEADYPORT_REVISION: 'q' })(app),
  }));
  assert.deepEqual(touched(plan), [`replace ${PROXY}: another folder: /old, not /srv`]);
});

test('of another release only its name is said', () => {
  const folder = '/h/releases/0123456789abcdef';
  const plan = planWith({
    listed: new Map([...runningApps()].map(([name, app]) => [name, { ...app, ...inFolder(folder)(app) }])),
    apps: APPS.map((app) => ({ ...app, cwd: '/h/releases/fedcba9876543210' })),
  });
  assert.deepEqual(
    new Set(plan.flatMap(({ reasons }) => reasons)),
    new Set(['another release: 0123456789abcdef, not fedcba9876543210']),
  );
});

test('in the folder of a release, where the code never changes, a changed revision is the config', () => {
  const cwd = '/h/releases/0123456789abcdef';
  const listed = [...runningApps()].map(([name, app]) => [name, { ...app, ...inFolder(cwd)(app) }] as const);
  const apps = APPS.map((app) => ({ ...app, cwd, env: { ...app.env, STEADYPORT_REVISION: 'q' } }));
  const plan = planWith({ listed: new Map(listed), apps });
  assert.deepEqual(
    new Set(plan.flatMap(({ reasons }) => reasons)),
    new Set(['the config, or .env, has changed']),
  );
});

test('of a config that was moved both paths are said', () => {
  const apps = APPS.map((app) => ({
    ...app,
    env: { ...app.env, STEADYPORT_CONFIG: '/new/steadyport.json' },
  }));
  const listed = [...runningApps()].map(
    ([name, app]) =>
      [name, { ...app, ...withEnv({ STEADYPORT_CONFIG: '/old/steadyport.json' })(app) }] as const,
  );
  const plan = planWith({ listed: new Map(listed), apps });
  assert.deepEqual(
    new Set(plan.flatMap(({ reasons }) => reasons)),
    new Set(['another config: /old/steadyport.json, not /new/steadyport.json']),
  );
});

test('no value of a variable is in a reason', () => {
  assert.doesNotMatch(
    touched(planAfter(withEnv({ FOO: 'secret', STEADYPORT_HOME: 'secret' }))).join(),
    /secret/,
  );
});

test('of PATH only the node that it leads to counts for a proxy, and all of it but the folders of npm for the monitor', () => {
  for (const PATH of ['/link', '/empty:/bin', '/srv/node_modules/.bin:/bin'])
    assert.deepEqual(touched(planAfter(withEnv({ PATH, LANG: 'de' }))), [], PATH);
  assert.deepEqual(touched(planAfter(withEnv({ PATH: '/link' }), MONITOR)), [
    `replace ${MONITOR}: environment: PATH (another one)`,
  ]);
  const PATH = '/srv/node_modules/.bin:/usr/lib/npm/node-gyp-bin:/bin';
  assert.deepEqual(touched(planAfter(withEnv({ PATH }), MONITOR)), []);
});

test('what differs between a shell, cron and sudo cuts no connection of a proxy, and renews the monitor', () => {
  const change = withEnv({ HOME: '/root', TZ: undefined, LANG: undefined, NODE_EXTRA_CA_CERTS: '/x' });
  assert.deepEqual(touched(planAfter(change)), []);
  assert.deepEqual(touched(planAfter(change, MONITOR)), [
    `replace ${MONITOR}: environment: NODE_EXTRA_CA_CERTS (there, and should not be): environment: LANG, TZ (missing): ` +
      'environment: HOME (another one)',
  ]);
});

test('another path to the same PM2_HOME is no difference, and another PM2_HOME is', () => {
  const folder = tempFolder();
  const link = `${folder}.link`;
  symlinkSync(folder, link);
  const apps = defineWith({ PM2_HOME: link });
  const isKept = (PM2_HOME: string): boolean => {
    const [proxy] = planAfter(withEnv({ PM2_HOME }), PROXY, { apps });
    return proxy?.action === 'keep';
  };
  try {
    assert.deepEqual([folder, link, `${folder}/other`].map(isKept), [true, true, false]);
  } finally {
    rmSync(link);
  }
});

test('a node that is gone from the PATH of all renews all', () => {
  const listed = new Map(
    [...runningApps()].map(([name, app]) => [name, { ...app, ...withEnv({ PATH: '/gone' })(app) }]),
  );
  assert.deepEqual(
    planWith({ listed }).map(({ action }) => action),
    ['replace', 'replace', 'replace'],
  );
});

describe('an app that an operator stopped', () => {
  const stop = (): Partial<Pm2App> => ({ status: 'stopped', statusText: 'stopped', pid: null });

  test('is left, also when it differs', () => {
    assert.deepEqual(touched(planAfter(stop)), [`leave ${PROXY}`]);
    assert.deepEqual(touched(planAfter((app) => ({ ...stop(), ...withEnv({ FOO: '1' })(app) }))), [
      `leave ${PROXY}`,
    ]);
  });

  test('is started when it is named, and no other one', () => {
    const named = { named: [PROXY] };
    assert.deepEqual(touched(planAfter(stop, PROXY, named)), [`start ${PROXY}: was stopped`]);
    assert.deepEqual(touched(planAfter(stop, OTHER, named)), [`leave ${OTHER}`]);
  });

  test('is started when it is the monitor', () => {
    const expected = [`start ${MONITOR}: was stopped, and nothing was supervised`];
    assert.deepEqual(touched(planAfter(stop, MONITOR)), expected);
    assert.deepEqual(touched(planAfter(stop, MONITOR, { named: [PROXY] })), expected);
  });

  test('is taken out when it is not in the config', () => {
    const apps = APPS.filter(({ name }) => name !== PROXY);
    assert.deepEqual(touched(planAfter(stop, PROXY, { apps })), [
      `close ${PROXY}: no longer in the config, and was stopped`,
    ]);
  });
});

test('what is not in the config is closed, unless the command names others', () => {
  const apps = APPS.filter(({ name }) => name !== OTHER);
  assert.deepEqual(touched(planWith({ apps })), [`close ${OTHER}: no longer in the config`]);
  assert.deepEqual(touched(planWith({ apps, disabled: [OTHER] })), [
    `close ${OTHER}: disabled in the config`,
  ]);
  assert.deepEqual(touched(planWith({ apps, named: [PROXY] })), [`pass ${OTHER}: no longer in the config`]);
});

test('with names, what differs elsewhere is passed by, and the monitor is not', () => {
  const change = withEnv({ FOO: '1' });
  const reason = 'environment: FOO (there, and should not be)';
  assert.deepEqual(touched(planAfter(change, OTHER, { named: [PROXY] })), [`pass ${OTHER}: ${reason}`]);
  assert.deepEqual(touched(planAfter(change, PROXY, { named: [PROXY] })), [`replace ${PROXY}: ${reason}`]);
  assert.deepEqual(touched(planAfter(change, MONITOR, { named: [PROXY] })), [
    `replace ${MONITOR}: ${reason}`,
  ]);
});

test('the copies of an app are ended, and one that differs is replaced with them', () => {
  const scaled = (app: Pm2App): Partial<Pm2App> => ({ copies: [{ ...app, pid: 200, pm2Id: 9 }] });
  assert.deepEqual(touched(planAfter(scaled)), [`trim ${PROXY}: 2 copies`]);
  assert.deepEqual(
    touched(planAfter((app) => ({ ...scaled(app), ...withEnv({ STEADYPORT_HOME: '/x' })(app) }))),
    [`replace ${PROXY}: environment: STEADYPORT_HOME (another one)`],
  );
});

test('the monitor is replaced with a proxy that has crashed of late, and not for one that stays', () => {
  const change = withEnv({ STEADYPORT_REVISION: 'q' });
  assert.deepEqual(touched(planAfter(change, PROXY, { crashed: [PROXY, OTHER] })), [
    `replace ${PROXY}: the config or the code has changed`,
    `replace ${MONITOR}: remembers crashes of ${PROXY}`,
  ]);
  assert.deepEqual(touched(planWith({ crashed: [PROXY] })), []);
});
