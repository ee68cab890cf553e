import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { ProxyStatus, Snapshot } from '../../src/status/snapshot.ts';
import { listFiles, readInteger } from '../../src/system/files.ts';
import { openPm2Sandbox, openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { changeCode, copyProject, needsProjectCopy, workingFolderOf } from '../support/pm2/project-copy.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs, needsProgram, needsRoot } from '../support/requirements.ts';
import { tempFolder } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

/** Two proxies with an upstream, in a sandbox whose commands are those of copies of the project. */
const rig = async (t: TestContext, homes: Readonly<Record<string, string>> = {}) => {
  const sandbox = openPm2Sandbox(homes);
  const upstream = await openUpstream();
  t.after(() => upstream.close());
  t.after(() => sandbox.close());
  const ports = [await freePort(), await freePort()] as const;
  sandbox.configure(
    ports.map((port) => ({ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` })),
    { intervalMs: 100, fastIntervalMs: 50 },
  );
  const releases = join(sandbox.env['STEADYPORT_HOME'] ?? '', 'releases');
  const allUp = (isNew: (pid: number | null) => boolean = () => true): Promise<Snapshot> =>
    sandbox.snapshotUntil(
      ({ monitor, proxies }) =>
        proxies.every((proxy) => isUp(proxy) && isNew(proxy.pid)) && isNew(monitor?.pid ?? null),
    );
  return {
    sandbox,
    ports,
    upstream,
    releases,
    allUp,
    start: async (cli: string): Promise<string> => {
      const { code, stdout, stderr } = await sandbox.run(cli, 'start');
      assert.deepEqual([code, stderr], [0, ''], stdout);
      return stdout;
    },
    /** Kills each app with SIGKILL, and waits until all are back. */
    killAll: async (): Promise<readonly (number | null)[]> => {
      const killed = pidsOf(await allUp());
      for (const pid of killed) process.kill(pid ?? assert.fail(), 'SIGKILL');
      return pidsOf(await allUp((pid) => pid !== null && !killed.includes(pid)));
    },
  };
};

/** The pids of the monitor and of the proxies. */
const pidsOf = ({ monitor, proxies }: Snapshot): readonly (number | null)[] => [
  monitor?.pid ?? null,
  ...proxies.map(({ pid }) => pid),
];

const wholeIn = (releases: string): readonly string[] =>
  listFiles(releases).filter((name) => existsSync(join(releases, name, 'release.json')));

/** As of a release that was taken long ago, which its start in this test was not. */
const makeOld = (release: string): void => utimesSync(release, 0, 0);

/** Each test has a PM2 of its own, and waits most of the time. */
const SIDE_BY_SIDE = { skip: needsProjectCopy(), concurrency: 3 };

describe('what runs depends on no file of the checkout', SIDE_BY_SIDE, () => {
  test('a start from the new folder behind a symbolic link replaces what runs, which does without the old one', async (t) => {
    const { sandbox, releases, allUp, start, killAll } = await rig(t);
    const link = join(sandbox.folder, 'current');
    const [first, second] = [join(sandbox.folder, 'v1'), join(sandbox.folder, 'v2')];
    copyProject(first);
    symlinkSync(first, link);
    await start(join(link, 'dist/cli.js'));
    const oldReleases = wholeIn(releases);
    changeCode(copyProject(second));
    unlinkSync(link);
    symlinkSync(second, link);
    rmSync(first, { recursive: true });
    const before = await killAll();
    const output = await start(join(link, 'dist/cli.js'));
    assert.match(output, /^Replaces: tcp-proxy-\d+, tcp-proxy-\d+, proxy-monitor: another release: /m);
    const after = pidsOf(await allUp((pid) => !before.includes(pid)));
    const newRelease = wholeIn(releases).find((name) => !oldReleases.includes(name)) ?? assert.fail();
    const folder = join(releases, newRelease);
    for (const pid of after) assert.equal(workingFolderOf(pid), folder);
    for (const pid of await killAll()) assert.equal(workingFolderOf(pid), folder);
  });

  test('after a checkout was moved, what is killed comes back without any command', async (t) => {
    const { sandbox, start, killAll } = await rig(t);
    const folder = join(sandbox.folder, 'checkout');
    await start(copyProject(folder, 'own'));
    renameSync(folder, join(sandbox.folder, 'moved'));
    await killAll();
    assert.match(
      await start(join(sandbox.folder, 'moved/dist/cli.js')),
      /^Everything runs as configured; nothing was touched\.$/m,
    );
  });

  test('while node_modules and dist are away, what is killed comes back, and other connections go on', async (t) => {
    const { sandbox, ports, allUp, start } = await rig(t);
    const folder = join(sandbox.folder, 'checkout');
    await start(copyProject(folder, 'own'));
    const { monitor, proxies } = await allUp();
    const client = connect(ports[1], '127.0.0.1');
    t.after(() => client.destroy());
    const asks = async (): Promise<void> => {
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.match(String((await once(client, 'data'))[0]), /^HTTP\/1\.1 200/);
    };
    await asks();
    for (const name of ['node_modules', 'dist']) renameSync(join(folder, name), join(folder, `${name}.away`));
    const killed = [monitor?.pid ?? assert.fail(), proxies[0]?.pid ?? assert.fail()];
    for (const pid of killed) process.kill(pid, 'SIGKILL');
    const back = await allUp((pid) => pid !== null && !killed.includes(pid));
    assert.equal(back.proxies[1]?.pid, proxies[1]?.pid);
    await asks();
  });

  test('with a space and an umlaut in the paths of the checkout and of the homes', async (t) => {
    const odd = join(tempFolder(), 'mein Ordner für X');
    const homes = { PM2_HOME: join(odd, 'pm2'), STEADYPORT_HOME: join(odd, 'home') };
    const { sandbox, start, killAll } = await rig(t, homes);
    const cli = copyProject(join(odd, 'checkout'));
    await start(cli);
    await killAll();
    const { code, stdout } = await sandbox.run(cli, 'status');
    assert.equal(code, 0, stdout);
    assert.equal((await sandbox.run(cli, 'stop')).code, 0);
    assert.equal(await sandbox.ask(), undefined);
  });
});

test('a folder with an empty release.json, as in an image, is run in place', SIDE_BY_SIDE, async (t) => {
  const { sandbox, releases, allUp, start } = await rig(t);
  const folder = join(sandbox.folder, 'image');
  const cli = copyProject(folder);
  writeFileSync(join(folder, 'release.json'), '');
  await start(cli);
  for (const pid of pidsOf(await allUp())) assert.equal(workingFolderOf(pid), folder);
  assert.match(await start(cli), /^Everything runs as configured; nothing was touched\.$/m);
  assert.equal(existsSync(releases), false);
});

describe('a release is there as a whole or not at all', SIDE_BY_SIDE, () => {
  test('when several make it at once', async (t) => {
    const { sandbox, releases } = await rig(t);
    const folder = join(sandbox.folder, 'checkout');
    copyProject(folder);
    const makes = [1, 2, 3].map(() => sandbox.run(join(folder, 'ecosystem.config.js')));
    for (const { code, stderr } of await Promise.all(makes)) assert.deepEqual([code, stderr], [0, '']);
    assert.equal(wholeIn(releases).length, 1);
    assert.deepEqual(listFiles(releases), wholeIn(releases));
  });

  test('when the start that makes it is killed; the next one makes it, and removes the rest', async (t) => {
    const { sandbox, releases, start } = await rig(t);
    const cli = copyProject(join(sandbox.folder, 'checkout'));
    /** @returns the draft that it left; false when it was done before the kill */
    const killOneInTheMiddle = async (): Promise<string | false> => {
      rmSync(releases, { recursive: true, force: true });
      const child = spawn(process.execPath, [cli, 'start'], { env: sandbox.env, stdio: 'ignore' });
      const ended = once(child, 'exit');
      await until(() => listFiles(releases)[0], 'a draft', undefined, 1);
      child.kill('SIGKILL');
      await ended;
      const [left = ''] = listFiles(releases);
      return /^[0-9a-f]{16}\.draft-\d+$/.test(left) && left;
    };
    const draft = await until(killOneInTheMiddle, 'a start that is killed in time');
    assert.deepEqual(listFiles(releases), [draft]);
    await start(cli);
    assert.deepEqual(listFiles(releases), [draft.slice(0, 16)]);
  });

  test('when a file of it was cut short, as by a full disk; the next start makes it anew', async (t) => {
    const { sandbox, releases, start, killAll } = await rig(t);
    const cli = copyProject(join(sandbox.folder, 'checkout'));
    await start(cli);
    const [release = ''] = wholeIn(releases);
    const program = join(releases, release, 'dist/cli.js');
    truncateSync(program);
    await start(cli);
    assert.deepEqual(readFileSync(program), readFileSync(cli));
    await killAll();
  });

  const fullDisk = { skip: needs(needsRoot(), needsProgram('mount', 'mount')) };
  test(
    'when there is no room: the folder is named, nothing is left, and what runs goes on',
    fullDisk,
    async (t) => {
      const home = join(tempFolder(), 'home');
      mkdirSync(home);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=70m,mode=700', 'tmpfs', home]);
      // Lazily: the apps of the sandbox end later.
      t.after(() => execFileSync('umount', ['-l', home]));
      const { sandbox, releases, allUp, start } = await rig(t, { STEADYPORT_HOME: home });
      const cli = copyProject(join(sandbox.folder, 'checkout'));
      const ecosystem = join(cli, '../../ecosystem.config.js');
      await start(cli);
      const before = pidsOf(await allUp());
      const whole = listFiles(releases);
      changeCode(cli);
      const { code, stderr } = await sandbox.run(cli, 'start');
      assert.equal(code, 2, stderr);
      assert.match(
        stderr,
        /cannot be made in .*\/home\/releases: ENOSPC: .*; nothing was changed, and what runs goes on$/m,
      );
      assert.equal((await sandbox.tryPm2('start', ecosystem)).code, 2);
      assert.deepEqual(listFiles(releases), whole);
      assert.deepEqual(pidsOf(await allUp()), before);
      // What ends the apps needs no release.
      await sandbox.pm2('stop', ecosystem);
    },
  );
});

describe('the releases that nothing uses', SIDE_BY_SIDE, () => {
  test('are removed by a start, and none that runs or is saved', async (t) => {
    const { sandbox, releases, start } = await rig(t);
    const cli = copyProject(join(sandbox.folder, 'checkout'));
    /** @returns the release of the changed code */
    const startChanged = async (): Promise<string> => {
      changeCode(cli);
      const before = listFiles(releases);
      await start(cli);
      for (const name of listFiles(releases)) makeOld(join(releases, name));
      return listFiles(releases).find((name) => !before.includes(name)) ?? assert.fail();
    };
    const ofDaemon = await startChanged();
    const saved = await startChanged();
    await sandbox.pm2('save');
    const last = await startChanged();
    assert.deepEqual(new Set(listFiles(releases)), new Set([ofDaemon, saved, last]));
    assert.match(await start(cli), /^PM2's saved list has an older release .*: npx pm2 save$/m);
    await sandbox.pm2('save');
    rmSync(join(sandbox.folder, 'pm2/dump.pm2.bak'));
    assert.doesNotMatch(await start(cli), /saved list/);
    assert.deepEqual(new Set(listFiles(releases)), new Set([ofDaemon, last]));
  });

  test('are removed by uninstall, but for one from which the PM2 daemon runs', async (t) => {
    const { sandbox, releases, start } = await rig(t);
    const cli = copyProject(join(sandbox.folder, 'checkout'));
    await start(cli);
    changeCode(cli);
    await start(cli);
    const daemonPid = readInteger(join(sandbox.folder, 'pm2/pm2.pid')) ?? assert.fail();
    const { code, stdout } = await sandbox.run(cli, 'uninstall');
    assert.equal(code, 0);
    assert.deepEqual(listFiles(releases), [basename(workingFolderOf(daemonPid))]);
    assert.match(
      stdout,
      new RegExp(`^ {2}a copy of the code, from which pid ${daemonPid} runs; .*: rm -r .*/releases$`, 'm'),
    );
    await sandbox.pm2('kill');
    assert.equal((await sandbox.run(cli, 'uninstall')).code, 0);
    assert.equal(existsSync(releases), false);
  });
});
