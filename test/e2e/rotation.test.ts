import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { compiled } from '../support/compiled.ts';
import { openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs, needsProgram } from '../support/requirements.ts';
import { tempFolder } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const LOGROTATE = '/usr/sbin/logrotate';
const skip = needs(needsProgram(LOGROTATE, 'logrotate'));

/** Runs logrotate as the user that runs the tests, with a state file of its own. */
const logrotate = (rule: string, home: string, ...options: string[]): SpawnSyncReturns<string> =>
  spawnSync(LOGROTATE, ['--state', join(home, 'logrotate-state'), ...options, rule], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: home },
  });

const rotated = (folder: string): string[] => readdirSync(folder).filter((name) => name.includes('.log-'));

/** @returns the second of the newest rotated file: each name ends with it, so each second has at most one file */
const newestSecond = (folder: string): number =>
  Math.max(0, ...rotated(folder).map((name) => Number(/-(\d+)(\.gz)?$/.exec(name)?.[1])));

/** Waits for a second without a file, and runs logrotate until there is one more file. */
const rotateOnce = async (rule: string, home: string, folder: string): Promise<void> => {
  const before = rotated(folder).length;
  const last = newestSecond(folder);
  await until(() => Math.floor(Date.now() / 1_000) > last, 'the next second');
  await until(() => {
    const { status, stderr } = logrotate(rule, home, '--force');
    // logrotate's clock is coarser, so that it may still be within the same second: its file exists already.
    if (status !== 0) assert.match(stderr, /already exists, skipping rotation/);
    return rotated(folder).length > before;
  }, 'a rotation');
};

/** @returns the texts of all files of a log, oldest first */
const textsOf = (folder: string, name: string): string[] =>
  readdirSync(folder)
    .filter((file) => file.startsWith(name))
    .sort((a, b) => Number(a === name) - Number(b === name) || (a < b ? -1 : 1))
    .map((file) => {
      const bytes = readFileSync(join(folder, file));
      return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
    });

/** Requires that nobody writes: otherwise the last line may be incomplete. @returns all lines, oldest first */
const linesOf = (folder: string, name: string): string[] =>
  textsOf(folder, name).flatMap((text) => {
    assert.equal(text.at(-1), '\n', 'each file ends with a whole line');
    return text.slice(0, -1).split('\n');
  });

const ruleOf = async (sandbox: Pm2Sandbox): Promise<string> => {
  const path = join(sandbox.folder, 'rule');
  const { code, stderr } = await sandbox.steadyport('install-logrotate', '--to', path);
  assert.deepEqual([code, stderr], [0, '']);
  return path;
};

/** Starts a proxy under a real PM2. @returns it with the folders of its two kinds of logs */
const openProxied = async (t: TestContext, logs: object = {}) => {
  const upstream = await openUpstream();
  const sandbox = openPm2Sandbox();
  t.after(async () => {
    await upstream.close();
    await sandbox.close();
  });
  const port = await freePort();
  const config = {
    proxies: [{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }],
    monitor: { http: false },
    logs,
  };
  writeFileSync(sandbox.env['STEADYPORT_CONFIG'] ?? '', JSON.stringify(config));
  assert.equal((await sandbox.steadyport('start')).code, 0);
  await sandbox.proxyUntil(port, ({ state }) => state === 'up');
  const own = join(sandbox.folder, 'home/logs');
  const pm2 = join(sandbox.folder, 'pm2/logs');
  return { sandbox, port, app: `tcp-proxy-${port}`, own, pm2 };
};

describe('the rule for logrotate', { skip }, () => {
  test('is valid as committed', () => {
    const home = tempFolder();
    for (const folder of ['.steadyport/logs', '.pm2/logs'])
      mkdirSync(join(home, folder), { recursive: true });
    for (const name of ['.steadyport/logs/tcp-proxy-6274.log', '.pm2/logs/proxy-monitor-out.log'])
      writeFileSync(join(home, name), 'a line\n', { mode: 0o600 });
    const { status, stderr } = logrotate(join(process.cwd(), 'logrotate/steadyport'), home, '--debug');
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(
      stderr.replace(/^warning: logrotate in debug mode does nothing.*$/m, ''),
      /error|warning/i,
    );
    for (const name of ['tcp-proxy-6274.log', 'proxy-monitor-out.log'])
      assert.match(stderr, new RegExp(`considering log ${home}.*/${name}$`, 'm'));
    assert.equal(stderr.match(/after 1 days \(14 rotations\)/g)?.length, 2);
    assert.equal(stderr.match(/log files >= 10485760 are rotated earlier/g)?.length, 2);
  });
});

/** Each test has a PM2 of its own, and waits most of the time. */
describe('rotation', { concurrency: true, timeout: 240_000 }, () => {
  describe('by the real logrotate', { skip, concurrency: true }, () => {
    test('500,000 lines at full speed, ten rotations: none is lost, torn, duplicated or out of order', async (t) => {
      const sandbox = openPm2Sandbox();
      t.after(() => sandbox.close());
      const logs = join(sandbox.env['STEADYPORT_HOME'] ?? '', 'logs');
      for (const folder of [logs, sandbox.env['PM2_HOME'] ?? ''])
        mkdirSync(folder, { recursive: true, mode: 0o700 });
      const rule = await ruleOf(sandbox);
      const stop = join(sandbox.folder, 'stop');
      const done = join(sandbox.folder, 'done');
      const args = [join(logs, 'writer.log'), '500000', stop, done];
      const program = fileURLToPath(compiled('test/support/pm2/log-writer.ts'));
      await sandbox.pm2('start', program, '--', ...args);
      for (let count = 0; count < 10; count += 1) {
        await until(() => existsSync(join(logs, 'writer.log')));
        await rotateOnce(rule, sandbox.folder, logs);
      }
      writeFileSync(stop, '');
      await until(() => existsSync(done) && readFileSync(done, 'utf8') !== '');
      assert.equal(rotated(logs).filter((name) => name.endsWith('.gz')).length, 9, 'all but the last');
      const lines = linesOf(logs, 'writer.log');
      assert.equal(lines.length, Number(readFileSync(done, 'utf8')));
      const wrong = lines.findIndex(
        (line, at) => !line.endsWith(`] ${at}: 10.0.0.9:52572 → 127.0.0.1:6274 done, 78 B up, total 4 ms`),
      );
      assert.equal(wrong, -1, `line ${wrong} is ${JSON.stringify(lines[wrong])}`);
    });

    test("of a proxy's log and of PM2's: both continue in files of the old names", async (t) => {
      const { sandbox, port, app, own, pm2 } = await openProxied(t);
      const rule = await ruleOf(sandbox);
      const visits = async (count: number): Promise<void> => {
        for (let n = 0; n < count; n += 1)
          await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text();
      };
      const log = `${app}.log`;
      const countEnds = (): number => textsOf(own, log).join('').split('\n').length - 1;
      for (let count = 1; count <= 3; count += 1) {
        await visits(100);
        await until(() => existsSync(join(own, log)) && countEnds() === 100 * count);
        await rotateOnce(rule, sandbox.folder, own);
      }
      const ends = linesOf(own, log).map((line) => /127\.0\.0\.1:(\d+) → .* done, /.exec(line)?.[1]);
      assert.equal(ends.includes(undefined), false);

      const out = join(pm2, `${app}-out.log`);
      assert.match(readdirSync(pm2).join(), new RegExp(`${app}-out\\.log-`));
      await until(() => existsSync(out));
      assert.equal((await sandbox.steadyport('stop')).code, 0);
      assert.equal((await sandbox.steadyport('start')).code, 0);
      await until(() => existsSync(out) && readFileSync(out, 'utf8').includes('listening on'));
    });
  });

  describe('by the monitor, where there is no logrotate', { concurrency: true }, () => {
    test('bounds the log of a proxy and that of PM2, which continues', async (t) => {
      const { sandbox, port, app, own, pm2 } = await openProxied(t, { maxBytes: 1, maxFiles: 2 });
      const visit = async (): Promise<void> => {
        await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text();
      };
      const visitAndLook = (): Promise<boolean> => visit().then(isBounded);
      const filesOf = (folder: string, name: string): string[] =>
        existsSync(folder) ? readdirSync(folder).filter((file) => file.startsWith(`${name}-`)) : [];
      const isBounded = (): boolean => filesOf(own, `${app}.log`).some((file) => file.endsWith('.gz'));
      // The monitor looks every 5 s, and compresses the file before the last one.
      await until(visitAndLook, 'a rotated and compressed file', undefined, 250);
      assert.ok(filesOf(own, `${app}.log`).length <= 3);
      await until(() => filesOf(pm2, `${app}-out.log`).length > 0);
      await sandbox.pm2('restart', app);
      await until(() => filesOf(pm2, `${app}-out.log`).length > 1);
      assert.equal((await sandbox.steadyport('stop')).code, 0);
    });
  });
});
