import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { steadyport } from '../../support/cli.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const COMMANDS = [
  'proxy',
  'status',
  'logs',
  'check-config',
  'alert-test',
  'start',
  'stop',
  'uninstall',
  'install-logrotate',
  'run',
  'monitor',
];
const folder = tempFolder();
const configPath = join(folder, 'steadyport.json');
writeFileSync(
  configPath,
  JSON.stringify({
    proxies: [
      { listen: '6274', upstream: 'localhost:6274', label: 'UI' },
      { listen: '0.0.0.0:6277', upstream: '[0::1]:6277' },
      { listen: '6279', upstream: 'localhost:6279', enabled: false },
    ],
  }),
);
const ENV = {
  STEADYPORT_CONFIG: configPath,
  STEADYPORT_PROJECT: 'default',
  STEADYPORT_HOME: join(folder, 'home'),
  PM2_HOME: join(folder, 'pm2'),
  HOME: folder,
};

describe('a mistake on the command line exits with 2 and says what is expected', {
  concurrency: 4,
}, () => {
  const proxyUsage = 'proxy <listen> <upstreamHost> <upstreamPort>';
  const table: readonly [args: readonly string[], message: string][] = [
    [['statsu'], 'unknown command "statsu"; did you mean "status"?'],
    [['Start'], 'unknown command "Start"; did you mean "start"?'],
    [['frobnicate'], `unknown command "frobnicate"; there is: ${COMMANDS.join(', ')}`],
    [['toString'], `unknown command "toString"; there is: ${COMMANDS.join(', ')}`],
    [['--json'], `unknown command "--json"; there is: ${COMMANDS.join(', ')}`],
    [['status', '--jsno'], 'unknown option "--jsno" of "status"; did you mean "--json"?'],
    [
      ['status', '--colour=red'],
      'unknown option "--colour" of "status"; there is: --json, --watch, --evidence',
    ],
    [['status', '-x'], 'unknown option "-x" of "status"; there is: --json, --watch, --evidence'],
    [['stop', '--force'], 'unknown option "--force" of "stop"; there are none here'],
    [
      ['proxy', '--hold', '5', '6274', 'localhost', '6274'],
      'unknown option "--hold" of "proxy"; did you mean "--hold-ms"?',
    ],
    [
      ['stop', 'tcp-proxy-6274'],
      'unexpected argument "tcp-proxy-6274"; expected: stop; for one app: npx pm2 stop tcp-proxy-6274',
    ],
    [
      ['stop', '6274'],
      'unexpected argument "6274"; expected: stop; for one app: npx pm2 stop tcp-proxy-6274',
    ],
    [['start', 'nobody'], 'no app "nobody"; there is: tcp-proxy-6274, tcp-proxy-6277, proxy-monitor'],
    [
      ['start', '6274', '6279'],
      '"6279" is disabled in the config: expected a proxy without "enabled": false; take that out of its entry, and then: node dist/cli.js start 6279',
    ],
    [['start', '--dry-ru'], 'unknown option "--dry-ru" of "start"; did you mean "--dry-run"?'],
    [['check-config', 'a', 'b'], 'unexpected argument "b"; expected: check-config [PATH]'],
    [['proxy', '1', 'a', '2', '3'], `unexpected argument "3"; expected: ${proxyUsage} [options]`],
    [['status', 'nobody'], 'no proxy "nobody"; there is: tcp-proxy-6274, tcp-proxy-6277'],
    [['logs', 'nobody'], 'no app "nobody"; there is: tcp-proxy-6274, tcp-proxy-6277, proxy-monitor'],
    [['logs', '-n', 'all'], '--lines is "all": expected a whole number'],
    [['logs', '--lines=-5'], '--lines is "-5": expected a whole number'],
    [['logs', '-n'], '--lines is "": expected a whole number'],
    [['logs', '-n', '5', '-n', '6'], '--lines is ["5","6"]: expected a whole number'],
    [['logs', '--folow'], 'unknown option "--folow" of "logs"; did you mean "--follow"?'],
    [['logs', '6274', '6277'], 'unexpected argument "6277"; expected: logs [NAME] [-n LINES] [-f]'],
    [['run', 'tcp-proxy-1'], `${configPath} has no proxy "tcp-proxy-1"; take it out of PM2 with: npm start`],
    [
      ['run', 'tcp-proxy-6279'],
      `${configPath} disables the proxy "tcp-proxy-6279"; take it out of PM2 with: npm start`,
    ],
    [['proxy'], `expected: ${proxyUsage}, such as: proxy 6274 localhost 6274; or <listen> unix:/PATH`],
    [
      ['proxy', '6274', 'localhost'],
      `expected: ${proxyUsage}, such as: proxy 6274 localhost 6274; or <listen> unix:/PATH`,
    ],
  ];
  for (const [args, message] of table)
    test(args.join(' '), async () =>
      assert.deepEqual(await steadyport(args, ENV), {
        code: 2,
        stdout: '',
        stderr: `steadyport: ${message}\n`,
      }),
    );
});

describe('an argument is the text that was typed, never a number', { concurrency: 4 }, () => {
  const table: readonly [args: readonly string[], message: RegExp][] = [
    [['0x1882', 'localhost', '6274'], /^steadyport: listen is "0x1882": expected /],
    [['1e3', 'localhost', '6274'], /^steadyport: listen is "1e3": expected /],
    [['6274', 'localhost', '0x50'], /^steadyport: upstream is "localhost:0x50": expected /],
    [['6274', 'localhost', '1e3'], /^steadyport: upstream is "localhost:1e3": expected /],
    [['6274', '10', '80'], /^steadyport: upstream is "10:80": expected /],
    [['6274', 'a', '80', '--hold-ms', '1e3'], /^steadyport: holdMs is "1e3": expected whole milliseconds/],
    [
      ['6274', 'a', '80', '--max-connections=-1'],
      /^steadyport: maxConnections is "-1": expected a whole number/,
    ],
    [
      ['6274', 'a', '80', '--engine', 'fast'],
      /^steadyport: engine is "fast": expected one of: auto, kernel, portable/,
    ],
    [['6274', 'a', '80', '--allow', 'lan,any'], /^steadyport: allow\[0\] is "lan": expected an IP address/],
    [['[::]:80', '::1', '80'], /^steadyport: upstream is "\[::1\]:80": expected an address that is not the/],
  ];
  for (const [args, message] of table)
    test(`proxy ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await steadyport(['proxy', ...args], ENV);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, message);
    });
});

describe('help that was asked for exits with 0, and help in place of a command with 2', {
  concurrency: 4,
}, () => {
  const table: readonly [args: readonly string[], code: number, first: string][] = [
    [['help'], 0, 'Usage: node dist/cli.js <command>'],
    [['--help'], 0, 'Usage: node dist/cli.js <command>'],
    [['-h'], 0, 'Usage: node dist/cli.js <command>'],
    [[], 2, 'Usage: node dist/cli.js <command>'],
    [['status', '--help'], 0, 'Usage: node dist/cli.js status [NAME] [--json] [--watch] [--evidence]'],
    [['stop', '-h'], 0, 'Usage: node dist/cli.js stop'],
    [['logs', '-h'], 0, 'Usage: node dist/cli.js logs [NAME] [-n LINES] [-f]'],
  ];
  for (const [args, code, first] of table)
    test(`steadyport ${args.join(' ')}`, async () => {
      const outcome = await steadyport(args);
      assert.deepEqual([outcome.code, outcome.stdout.split('\n')[0], outcome.stderr], [code, first, '']);
    });

  test('--version prints the version of package.json', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    assert.deepEqual(await steadyport(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('help names every command', async () => {
    const { stdout } = await steadyport(['help']);
    for (const command of COMMANDS) assert.match(stdout, new RegExp(`^ {2}${command}( |$)`, 'm'));
  });
});

describe('a command whose output nobody reads does its work, and exits with its own code', () => {
  const table: readonly [args: readonly string[], code: number][] = [
    [['--help'], 0],
    [['statsu'], 2],
    [['check-config'], 0],
    [['stop'], 0],
    [['logs'], 1],
    [['status'], 3],
    [['status', '--watch'], 0],
  ];
  for (const [args, code] of table)
    test(`${args.join(' ')}: ${code}`, async () => {
      const program = spawn(process.execPath, ['dist/cli.js', ...args], {
        env: { PATH: process.env['PATH'], ...ENV },
      });
      program.stdout.destroy();
      program.stderr.destroy();
      assert.deepEqual(await once(program, 'exit'), [code, null]);
    });
});

test('check-config lists a valid config, a line for each proxy, and which is disabled', async () => {
  const expected = {
    code: 0,
    stdout:
      `${configPath} is valid:\n` +
      '  tcp-proxy-6274  6274 → localhost:6274  UI\n' +
      '  tcp-proxy-6277  0.0.0.0:6277 → [::1]:6277  port 6277\n' +
      '  tcp-proxy-6279  6279 → localhost:6279  port 6279  (disabled)\n' +
      '  no alerts but in the log\n',
    stderr: '',
  };
  assert.deepEqual(await steadyport(['check-config', configPath]), expected);
  assert.deepEqual(await steadyport(['check-config'], ENV), expected);
});

test('check-config names the channels for alerts, and the heartbeat only where there is one', async () => {
  const place = join(folder, 'with-alerts');
  mkdirSync(place);
  const path = join(place, 'steadyport.json');
  writeFileSync(path, readFileSync(configPath, 'utf8'));
  const linesWith = async (dotEnv: string): Promise<readonly string[]> => {
    writeFileSync(join(place, '.env'), dotEnv, { mode: 0o600 });
    return (await steadyport(['check-config', path])).stdout.trimEnd().split('\n').slice(4);
  };
  const slack = 'SLACK_WEBHOOK_URL=https://hooks.slack.com/services/T/B/X\n';
  const heartbeat = 'HEARTBEAT_URL=https://hc-ping.com/x\n';
  assert.deepEqual(await linesWith(slack), ['  alerts: slack']);
  assert.deepEqual(await linesWith(slack + heartbeat), [
    '  alerts: slack',
    '  a heartbeat while all is well',
  ]);
  assert.deepEqual(await linesWith(heartbeat), [
    '  no alerts but in the log',
    '  a heartbeat while all is well',
  ]);
});

test('the config of the project itself is valid', async () => {
  assert.equal((await steadyport(['check-config'], { HOME: folder })).code, 0);
});

describe('a folder that cannot be made is reported before PM2 is started', { concurrency: 4 }, () => {
  for (const name of ['PM2_HOME', 'STEADYPORT_HOME'])
    test(name, async () => {
      const path = join(configPath, 'below-a-file');
      const { code, stdout, stderr } = await steadyport(['start'], { ...ENV, [name]: path });
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(
        stderr,
        new RegExp(`^steadyport: ${name} is ".*": expected a folder that can be written to; ENOTDIR: .*\\n$`),
      );
    });
});

test('a PM2 that cannot be started is another exit code than an app that does not come up', async () => {
  const pm2Home = join(folder, 'pm2-without-a-log');
  mkdirSync(join(pm2Home, 'pm2.log'), { recursive: true });
  const { code, stderr } = await steadyport(['start'], { ...ENV, PM2_HOME: pm2Home });
  assert.equal(code, 4);
  assert.match(stderr, /EISDIR: .* '.*pm2\.log'/);
});

test('a stop with a mistyped config says that there is none', async () => {
  const config = join(folder, 'steadyprot.json');
  const home = join(folder, 'home-of-nothing');
  const outcome = await steadyport(['stop'], { ...ENV, STEADYPORT_CONFIG: config, STEADYPORT_HOME: home });
  const stdout = `PM2 runs nothing of ${config}, which does not exist.\n`;
  assert.deepEqual(outcome, { code: 0, stdout, stderr: '' });
});

test('a start says how long the ports of PROXIES stay that the shell alone has', async () => {
  const dryRun = (env: Readonly<Record<string, string>>) =>
    steadyport(['start', '--dry-run'], { ...ENV, ...env });
  const { code, stdout } = await dryRun({ PROXIES: '26299:localhost:26299' });
  assert.equal(code, 1);
  assert.match(
    stdout,
    /^Starts: .*tcp-proxy-26299, .*\nThe ports of the variable PROXIES stay until the next start/,
  );
  assert.doesNotMatch((await dryRun({})).stdout, /PROXIES/);
});

describe('an option that npm has kept for itself is named, with what to type', { concurrency: 4 }, () => {
  const npm = { ...ENV, npm_lifecycle_event: 'x', npm_package_name: 'steadyport' };
  test('npm run status --json', async () => {
    const { stderr } = await steadyport(['status'], { ...npm, npm_config_json: 'true' });
    assert.equal(stderr, 'steadyport: npm has kept --json for itself; type: npm run status -- --json\n');
    assert.equal((await steadyport(['status'], { ...ENV, npm_config_json: 'true' })).stderr, '');
  });
  test('npm start --take-over', async () => {
    const pm2Home = join(folder, 'pm2-not-made');
    const { code, stderr } = await steadyport(['start'], {
      ...npm,
      PM2_HOME: pm2Home,
      npm_config_take_over: 'true',
    });
    assert.deepEqual(
      [code, stderr],
      [
        2,
        'steadyport: npm has kept --take-over for itself; type: npm start -- --take-over; nothing was touched\n',
      ],
    );
    assert.equal(existsSync(pm2Home), false);
  });
  test('npm run logs -n 30', async () => {
    const { code, stderr } = await steadyport(['logs', '30'], npm);
    assert.equal(code, 2);
    assert.match(stderr, /^steadyport: no app "30"; .*; options come after "--": npm run logs -- -n 30\n$/);
  });
});

describe('a PM2_HOME that is too long for its sockets is refused at once', { concurrency: 2 }, () => {
  const folder = tempFolder();
  const pm2Home = `${folder}/${'x'.repeat(119 - folder.length)}`;
  const config = join(folder, 'steadyport.json');
  const proxies = [{ listen: '26274', upstream: 'localhost:26274' }];
  writeFileSync(config, JSON.stringify({ proxies, monitor: { http: false } }));
  const env = { STEADYPORT_HOME: join(folder, 'home'), STEADYPORT_CONFIG: config, PM2_HOME: pm2Home };
  const message =
    `steadyport: PM2_HOME is "${pm2Home}": expected a path of at most 98 bytes, and it has 120; ` +
    `a socket in it (${pm2Home}/rpc.sock) may have at most 107\n`;
  for (const name of ['start', 'stop', 'status', 'uninstall', 'logs', 'monitor'])
    test(name, async () => {
      assert.deepEqual(await steadyport([name], env), { code: 2, stdout: '', stderr: message });
      assert.equal(existsSync(pm2Home), false);
    });
});

describe('a wrong setting exits with 2 and without a stack trace', { concurrency: 4 }, () => {
  const place = join(folder, 'with-a-folder-as-env');
  mkdirSync(join(place, '.env'), { recursive: true });
  const long = `/${'x'.repeat(120)}`;
  const table: readonly [name: string, env: Readonly<Record<string, string>>, message: RegExp][] = [
    [
      'a home that is too long',
      { ...ENV, STEADYPORT_HOME: long },
      /^steadyport: STEADYPORT_HOME is ".*": expected a path of at most \d+ bytes, and it has 121; .*\n$/,
    ],
    [
      'a .env that is no file',
      { ...ENV, STEADYPORT_CONFIG: join(place, 'x.json') },
      /^steadyport: .*\.env cannot be read: it is no regular file\n$/,
    ],
    [
      'a config that is not there, where nothing was accepted',
      { ...ENV, STEADYPORT_CONFIG: '/nowhere.json', STEADYPORT_HOME: join(folder, 'new-home') },
      /^steadyport: \/nowhere\.json\n {2}expected a config file here.*\n$/,
    ],
  ];
  for (const [name, env, message] of table)
    test(name, async () => {
      const { code, stdout, stderr } = await steadyport(['status'], env);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, message);
    });
});
