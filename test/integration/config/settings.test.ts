import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { requireConfig } from '../../../src/config/load.ts';
import { dotEnvModifiedAt, readSecrets } from '../../../src/config/load-secrets.ts';
import { pm2CommandEnv, pruneProcessEnv } from '../../../src/config/project/environment.ts';
import { configuredSecrets } from '../../../src/config/secrets.ts';
import { readSettings, type Settings } from '../../../src/config/settings.ts';
import { UsageError } from '../../../src/lib/usage-error.ts';
import { steadyport } from '../../support/cli.ts';
import { tempFolder } from '../../support/temp-dir.ts';

type Env = Readonly<Record<string, string>>;

/** Runs `act` with nothing but `env` in process.env, and gives what it made of it. */
const within = <T>(env: Env, act: () => T): { readonly value: T; readonly left: NodeJS.ProcessEnv } => {
  const saved = { ...process.env };
  const fill = (expected: NodeJS.ProcessEnv): void => {
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, expected);
  };
  fill(env);
  try {
    const value = act();
    return { value, left: { ...process.env } };
  } finally {
    fill(saved);
  }
};

/** A folder with a config file, and a .env beside it when there is one to be. */
const place = (dotEnv?: string, monitor: object = {}): string => {
  const folder = tempFolder();
  const proxies = [{ listen: '6274', upstream: 'localhost:6274' }];
  writeFileSync(join(folder, 'steadyport.json'), JSON.stringify({ proxies, monitor }));
  if (dotEnv !== undefined) writeFileSync(join(folder, '.env'), dotEnv);
  return join(folder, 'steadyport.json');
};
const settings = (env: Env, dotEnv?: string): Settings & { readonly folder: string } => {
  const path = place(dotEnv);
  const read = () => readSettings(path);
  return { ...within({ STEADYPORT_PROJECT: 'default', ...env }, read).value, folder: join(path, '..') };
};

describe('the environment goes before .env, .env before the file, the file before the default', () => {
  const table: readonly [env: Env, dotEnv: string, monitor: object, intervalMs: number, threshold: number][] =
    [
      [{}, '', {}, 1_000, 3],
      [{}, '', { intervalMs: 2_000, failureThreshold: 4 }, 2_000, 4],
      [{}, 'CHECK_INTERVAL_MS=3000\nFAILURE_THRESHOLD=5\n', { intervalMs: 2_000 }, 3_000, 5],
      [{}, 'RESTART_THRESHOLD=6 # the old name\n', { failureThreshold: 4 }, 1_000, 6],
      [{ RESTART_THRESHOLD: '7' }, 'RESTART_THRESHOLD="6"\n', {}, 1_000, 7],
      [{ CHECK_INTERVAL_MS: '4000' }, 'CHECK_INTERVAL_MS=3000\n', { intervalMs: 2_000 }, 4_000, 3],
      [{ FAILURE_THRESHOLD: '8' }, 'FAILURE_THRESHOLD=5\n', { failureThreshold: 4 }, 1_000, 8],
      [{ FAILURE_THRESHOLD: '' }, 'FAILURE_THRESHOLD=5\n', {}, 1_000, 5],
    ];
  for (const [env, dotEnv, monitor, intervalMs, failureThreshold] of table)
    test(`${JSON.stringify(env)} ${JSON.stringify(dotEnv)} ${JSON.stringify(monitor)}`, () => {
      const path = place(dotEnv, monitor);
      const { config } = within(env, () => requireConfig(path)).value;
      assert.deepEqual(
        [config.monitor.intervalMs, config.monitor.failureThreshold],
        [intervalMs, failureThreshold],
      );
    });

  for (const [env, ports] of [
    [{}, [6274, 7001, 7002]],
    [{ PROXIES: '8001:localhost:8001' }, [6274, 7001, 7002, 8001]],
  ] as const)
    test(`PROXIES of ${env.PROXIES === undefined ? '.env' : 'the environment'}`, () => {
      const path = place('PROXIES=7001:localhost:7001,7002:localhost:7002\n');
      const { config } = within(env, () => requireConfig(path)).value;
      assert.deepEqual(
        config.proxies.map(({ id }) => Number(id)),
        ports,
      );
    });
});

test('what is in .env does not enter the environment, where PM2 would copy it', () => {
  const path = place('SLACK_WEBHOOK_URL=https://hooks.example/secret\nCHECK_INTERVAL_MS=3000\n');
  const { value, left } = within({ PATH: '/bin' }, () => readSettings(path));
  assert.deepEqual(left, { PATH: '/bin' });
  assert.ok(!JSON.stringify(value.appEnv).includes('secret'));
});

describe('secrets are read from .env alone', () => {
  const URLS = 'SLACK_WEBHOOK_URL=https://hooks.example/hidden\nHEARTBEAT_URL=hidden\n';
  const read = (env: Env, dotEnv: string, mode: number) => {
    const path = place(dotEnv);
    const file = join(path, '..', '.env');
    chmodSync(file, mode);
    const { secrets, ...reported } = within(env, () => readSecrets(readSettings(path))).value;
    return {
      uses: configuredSecrets(secrets),
      ...JSON.parse(JSON.stringify(reported).replaceAll(file, 'FILE')),
    };
  };

  test('those that are right are had, the others are told without their values', () =>
    assert.deepEqual(read({}, URLS, 0o600), {
      uses: ['slack'],
      errors: [
        'FILE: HEARTBEAT_URL is not shown here: expected an http or https URL, such as https://hc-ping.com/…',
      ],
      warnings: [],
    }));

  test('those of the environment are not read, and it is said why', () =>
    assert.deepEqual(read({ DISCORD_WEBHOOK_URL: 'https://d.example/hidden' }, '', 0o644), {
      uses: [],
      errors: [],
      warnings: [
        'DISCORD_WEBHOOK_URL is not read from the environment, which PM2 shows in its list; write it into FILE',
      ],
    }));

  test('a misspelt name is told, with the one that was probably meant, and other names are not', () =>
    assert.deepEqual(read({}, 'SLACK_WEBHOK_URL=https://hooks.example/hidden\nDATABASE_URL=x\n', 0o600), {
      uses: [],
      errors: [],
      warnings: ['FILE: SLACK_WEBHOK_URL is no variable of steadyport; did you mean SLACK_WEBHOOK_URL?'],
    }));

  test('a file that others can read is told, with what to do', () =>
    assert.deepEqual(read({}, URLS, 0o640).warnings, [
      'FILE has secrets, and others can read it (mode 0640): chmod 600 FILE',
    ]));

  test('a program is no secret, but nobody else may name another', () => {
    assert.deepEqual(read({}, 'ALERT_COMMAND=/bin/true\n', 0o644).warnings, []);
    assert.deepEqual(read({}, 'ALERT_COMMAND=/bin/true\n', 0o664).warnings, [
      'FILE names a program that is run, and others can change it (mode 0664): chmod 600 FILE',
    ]);
  });

  test('a program that cannot be run for now is told, and its channel stays', () =>
    assert.deepEqual(read({}, 'ALERT_COMMAND=/no/such/program\n', 0o600), {
      uses: ['command'],
      errors: [
        'FILE: ALERT_COMMAND is "/no/such/program": expected a program that can be executed; there is no such file',
      ],
      warnings: [],
    }));

  test('they are no part of the settings', () =>
    assert.doesNotMatch(
      JSON.stringify(settings({ WEBHOOK_URL: 'https://w.example/hidden' }, URLS)),
      /hidden/,
    ));
});

test('the apps get what they need of the environment: no secret, and nothing of what the accepted config is made from', () => {
  const config = { CHECK_INTERVAL_MS: '5000', PROXIES: '6275:localhost:6275', LOG_FORMAT: 'json' };
  const env = { PATH: '/bin', HOME: '/h', TZ: 'UTC', AWS_SECRET: 's', npm_x: 'y', ...config };
  const { appEnv } = settings(env, 'STEADYPORT_HOME=/srv/sp\n');
  assert.deepEqual(appEnv, {
    STEADYPORT_HOME: '/srv/sp',
    STEADYPORT_PROJECT: 'default',
    PATH: '/bin',
    HOME: '/h',
    TZ: 'UTC',
  });
});

test('inside the pm2 command the environment is cut down to that, and in a program it is not', () => {
  const env = { PATH: '/bin', PM2_HOME: '/p', PM2_X: '1', AWS_SECRET: 's' };
  const { AWS_SECRET: _, ...kept } = env;
  assert.deepEqual(within(env, pruneProcessEnv).left, kept);
  const programmatic = { ...env, PM2_PROGRAMMATIC: 'true' };
  assert.deepEqual(within(programmatic, pruneProcessEnv).left, programmatic);
});

test('the config file is the argument, else STEADYPORT_CONFIG', () => {
  const [one, other] = [place(), place()];
  const read = (path?: string) => within({ STEADYPORT_CONFIG: other }, () => readSettings(path)).value;
  assert.equal(read(one).configPath, one);
  assert.equal(read().configPath, other);
});

test('the folders are those of the environment, of .env, or below the home folder', () => {
  assert.equal(settings({ STEADYPORT_HOME: '/a' }, 'STEADYPORT_HOME=/b\n').home, '/a');
  assert.equal(settings({}, 'STEADYPORT_HOME=/b\n').home, '/b');
  const { home, pm2Home } = settings({ HOME: homedir() });
  assert.deepEqual([home, pm2Home], [join(homedir(), '.steadyport'), join(homedir(), '.pm2')]);
  assert.equal(settings({ PM2_HOME: '/c' }).pm2Home, '/c');
});

test('PM2_HOME reaches the apps and the pm2 command absolute, since they have another working directory', () => {
  for (const [given, expected] of [
    ['of-the-caller', join(process.cwd(), 'of-the-caller')],
    ['/p/', '/p'],
  ] as const) {
    const { pm2Home, appEnv } = settings({ PM2_HOME: given });
    const commandEnv = within({ PM2_HOME: given, A: 'b' }, pm2CommandEnv).value;
    assert.deepEqual(
      [pm2Home, appEnv['PM2_HOME'], commandEnv],
      [expected, expected, { PM2_HOME: expected, A: 'b' }],
    );
  }
  assert.equal(settings({}).appEnv['PM2_HOME'], undefined);
  assert.deepEqual(within({ A: 'b' }, pm2CommandEnv).value, { A: 'b' });
});

test('the rest of the environment is read once, and nonsense is none', () => {
  const { logFormat, isUnderPm2, columns } = settings({ LOG_FORMAT: 'json', pm_id: '0', COLUMNS: '40' });
  assert.deepEqual([logFormat, isUnderPm2, columns], ['json', true, 40]);
  const plain = settings({ LOG_FORMAT: 'xml', COLUMNS: '-1' });
  assert.deepEqual([plain.logFormat, plain.isUnderPm2, plain.columns], ['text', false, undefined]);
});

test('a script of another package is not taken for one of this package', () => {
  const isNpmScript = (env: Env): boolean => settings(env).isNpmScript;
  assert.equal(isNpmScript({ npm_lifecycle_event: 'start', npm_package_name: 'steadyport' }), true);
  assert.equal(isNpmScript({ npm_lifecycle_event: 'start', npm_package_name: 'an-application' }), false);
  assert.equal(isNpmScript({ npm_package_name: 'steadyport' }), false);
});

test('a FIFO that nobody writes into is refused as config and as .env, and a link to a file is read', async () => {
  const path = place('CHECK_INTERVAL_MS=3000\n');
  const folder = tempFolder();
  const fifo = join(folder, 'fifo.json');
  execFileSync('mkfifo', [fifo]);
  const refused = await steadyport(['check-config', fifo]);
  assert.deepEqual([refused.code, refused.stdout], [2, '']);
  assert.match(refused.stderr, /fifo\.json\n {2}expected a file that can be read; it is no regular file\n$/);
  const link = join(folder, 'steadyport.json');
  symlinkSync(path, link);
  symlinkSync(join(path, '..', '.env'), join(folder, '.env'));
  assert.equal(within({}, () => requireConfig(link)).value.config.monitor.intervalMs, 3_000);
  rmSync(join(folder, '.env'));
  renameSync(fifo, join(folder, '.env'));
  const { code, stderr } = await steadyport(['check-config', link]);
  assert.deepEqual([code, stderr], [2, `steadyport: ${folder}/.env cannot be read: it is no regular file\n`]);
});

test('/dev/null in the place of .env is none, and another device is refused', () => {
  const path = place();
  const dotEnv = join(path, '..', '.env');
  symlinkSync('/dev/null', dotEnv);
  const { settings } = within({}, () => requireConfig(path)).value;
  assert.equal(dotEnvModifiedAt(settings), 0);
  assert.deepEqual(configuredSecrets(within({}, () => readSecrets(settings)).value.secrets), []);
  rmSync(dotEnv);
  symlinkSync('/dev/zero', dotEnv);
  assert.throws(() => within({}, () => readSettings(path)), {
    message: `${dotEnv} cannot be read: it is no regular file`,
  });
});

describe('a file that cannot be read is the mistake of whoever named it', () => {
  const folder = tempFolder();
  mkdirSync(join(folder, 'sub', '.env'), { recursive: true });
  const missing = join(folder, 'missing.json');
  const table: readonly [path: string, message: string][] = [
    [
      missing,
      `${missing}\n  expected a config file here; see docs/configuration.md, or set STEADYPORT_CONFIG`,
    ],
    [join(folder, 'sub'), `${folder}/sub\n  expected a file that can be read; it is no regular file`],
    ['/dev/zero', '/dev/zero\n  expected a file that can be read; it is no regular file'],
    [join(folder, 'sub', 'x.json'), `${folder}/sub/.env cannot be read: it is no regular file`],
  ];
  for (const [path, message] of table)
    test(message.replaceAll(folder, ''), () => {
      const read = () => within({}, () => requireConfig(path));
      assert.throws(read, { message });
      assert.throws(read, UsageError);
    });
});
