import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { needs, needsProgram, needsRoot } from '../support/requirements.ts';
import { tempFolder } from '../support/temp-dir.ts';

const LOGROTATE = '/usr/sbin/logrotate';
const NOBODY = { uid: 65_534, gid: 65_534 };

/** Makes a copy of the project and folders of the user's own. @param user default: the user who runs the tests */
const openInstallation = (user?: typeof NOBODY) => {
  const folder = tempFolder();
  // The command runs from a copy, since another user may have no access to the project.
  const root = join(folder, 'project');
  for (const name of ['dist', 'logrotate', 'ecosystem.config.js', 'package.json'])
    cpSync(join(process.cwd(), name), join(root, name), { recursive: true });
  chmodSync(folder, 0o755);
  const home = join(folder, 'home');
  const pm2Home = join(folder, 'pm2 of mine');
  for (const path of [home, join(home, 'logs'), pm2Home, join(pm2Home, 'logs')]) {
    mkdirSync(path, { mode: 0o700 });
    if (user) chownSync(path, user.uid, user.gid);
  }
  const env = { PATH: process.env['PATH'], HOME: folder, STEADYPORT_HOME: home, PM2_HOME: pm2Home };
  const run = (program: string, args: readonly string[], as = user): SpawnSyncReturns<string> =>
    spawnSync(program, args, { cwd: folder, env, encoding: 'utf8', ...as });
  return {
    folder,
    home,
    pm2Home,
    run,
    install: (args: readonly string[] = [], as = user) =>
      run(process.execPath, [join(root, 'dist/cli.js'), 'install-logrotate', ...args], as),
  };
};

describe('npm run install:logrotate', () => {
  test('shows the rule for the folders of this installation, or writes it, once', () => {
    const { folder, home, pm2Home, install } = openInstallation();
    const shown = install(['--print']);
    assert.deepEqual([shown.status, shown.stderr], [0, '']);
    assert.match(
      shown.stdout,
      new RegExp(`^"${home}/logs/\\*\\.log" "${home}/projects/\\*/logs/\\*\\.log" \\{$`, 'm'),
    );
    assert.match(shown.stdout, new RegExp(`cat "${pm2Home}/pm2\\.pid"`));
    assert.doesNotMatch(shown.stdout, /~|^ *su /m);
    assert.deepEqual(readdirSync(folder).sort(), ['home', 'pm2 of mine', 'project']);

    const path = join(folder, 'rule');
    assert.match(install(['--to', path]).stdout, new RegExp(`^Wrote ${path}\\.$`, 'm'));
    assert.deepEqual([readFileSync(path, 'utf8'), statSync(path).mode & 0o777], [shown.stdout, 0o644]);
    assert.match(install(['--to', path]).stdout, /is there already, with the same rule\.$/m);
  });

  test('says which folder is not there, or cannot be in a rule', () => {
    const { folder, home, run } = openInstallation();
    const errorsOf = (variables: readonly string[]): [number | null, string] => {
      const command = [join(folder, 'project/dist/cli.js'), 'install-logrotate', '--print'];
      const { status, stderr } = run('env', [...variables, process.execPath, ...command]);
      return [status, stderr];
    };
    const none = errorsOf([`STEADYPORT_HOME=${folder}/none`]);
    assert.equal(none[0], 2);
    assert.match(
      none[1],
      /^steadyport: STEADYPORT_HOME is ".*\/none": expected the folder of a steadyport that has been/,
    );
    mkdirSync(join(home, "it's"));
    const quoted = errorsOf([`PM2_HOME=${home}/it's`]);
    assert.equal(quoted[0], 2);
    assert.match(quoted[1], /^steadyport: PM2_HOME is ".*\/it's": expected a path without quotes/);
  });

  const skip = needs(needsRoot(), needsProgram(LOGROTATE, 'logrotate'));
  const rotate = (
    installation: ReturnType<typeof openInstallation>,
    rule: string,
    as?: typeof NOBODY,
  ): string[] => {
    const log = join(installation.home, 'logs/tcp-proxy-6274.log');
    writeFileSync(log, 'a line\n', { mode: 0o600 });
    chownSync(log, NOBODY.uid, NOBODY.gid);
    const state = join(as ? installation.home : installation.folder, 'logrotate.state');
    const { status, stderr } = installation.run(LOGROTATE, ['--force', '--state', state, rule], as);
    assert.deepEqual([status, stderr], [0, '']);
    return readdirSync(join(installation.home, 'logs'));
  };

  test('as root, for folders of another user, has logrotate act as that user', { skip }, () => {
    const installation = openInstallation(NOBODY);
    const rule = join(installation.folder, 'rule');
    const asRoot = { uid: 0, gid: 0 };
    assert.equal(installation.install(['--to', rule], asRoot).status, 0);
    assert.equal(readFileSync(rule, 'utf8').match(/^ {4}su nobody nogroup$/gm)?.length, 2);
    const { status, stderr } = installation.run(
      LOGROTATE,
      ['--force', '--state', join(installation.folder, 'state'), rule],
      asRoot,
    );
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(rotate(installation, rule, asRoot).join(), /^tcp-proxy-6274\.log-\d{8}-\d+$/);
  });

  test('as a user, writes beside the state, and shows the line for the crontab', { skip }, () => {
    const installation = openInstallation(NOBODY);
    const { status, stdout, stderr } = installation.install();
    assert.deepEqual([status, stderr], [0, '']);
    const rule = join(installation.home, 'logrotate.conf');
    assert.ok(
      stdout.includes(`  17 * * * * ${LOGROTATE} --state "${installation.home}/logrotate.state" "${rule}"\n`),
    );
    assert.match(rotate(installation, rule, NOBODY).join(), /^tcp-proxy-6274\.log-\d{8}-\d+$/);
    assert.equal(installation.install(['--to', '/etc/steadyport-cannot']).status, 2);
  });
});
