import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readInteger } from '../../src/system/files.ts';
import { isAlive } from '../../src/system/proc/procfs.ts';
import { openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { until } from '../support/until.ts';

/**
 * Starts `npm run dev` in a copy of the project, whose config has one proxy on a unix socket.
 * @param prepare changes the copy before the start. Default: nothing
 */
const openDev = async (t: TestContext, prepare: (folder: string) => void = () => {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-'));
  const home = join(folder, '.dev');
  for (const name of ['src', 'scripts', 'package.json', 'ecosystem.config.js'])
    cpSync(name, join(folder, name), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
  const upstream = await openUpstream();
  const socket = join(folder, 'app.sock');
  const proxies = [{ listen: `unix:${socket}`, upstream: `127.0.0.1:${upstream.port}` }];
  writeFileSync(join(folder, 'steadyport.json'), JSON.stringify({ proxies, monitor: { http: false } }));
  prepare(folder);
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder };
  const start = (...args: readonly string[]) => {
    const child = spawn(process.execPath, ['scripts/dev.js', ...args], { cwd: folder, env });
    const exitCode = new Promise<number | null>((done) => child.once('close', done));
    return { child, exitCode };
  };
  const { child, exitCode } = start();
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  t.after(async () => {
    child.kill('SIGTERM');
    await exitCode;
    await upstream.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    home,
    socket,
    child,
    exitCode,
    start,
    /** Waits for output since the last edit. */
    waitFor: async (pattern: RegExp): Promise<void> => {
      try {
        await until(() => pattern.test(output));
      } catch (cause) {
        throw new Error(`no ${pattern} in the output:\n${output}`, { cause });
      }
    },
    edit: (path: string, from: string, to: string): void => {
      const source = readFileSync(join(folder, path), 'utf8');
      assert.ok(source.includes(from), `${path} has ${from}`);
      output = '';
      writeFileSync(join(folder, path), source.replace(from, to));
    },
    proxyPid: (): number | undefined => readInteger(join(home, 'home/ports/app.sock/pid')),
  };
};

const get = (socketPath: string): Promise<number | undefined> =>
  new Promise((done, fail) =>
    request({ socketPath, path: '/' }, (response) => done(response.resume().statusCode))
      .once('error', fail)
      .end(),
  );

test('npm run dev shows why an app does not come up, and starts it again after the next change', async (t) => {
  const dev = await openDev(t, (folder) => {
    const path = join(folder, 'src/commands/run/run.ts');
    writeFileSync(path, `throw new Error('broken at its start');\n${readFileSync(path, 'utf8')}`);
  });
  await dev.waitFor(/^dev: not everything came up, and the next change starts it again:$/m);
  await dev.waitFor(/^✗ app\.sock .*DOWN \(crash/m);
  await dev.waitFor(/^unix-proxy-app\.sock +err \| Error: broken at its start$/m);

  dev.edit('src/commands/run/run.ts', "throw new Error('broken at its start');", '');
  await dev.waitFor(/^unix-proxy-app\.sock +\| .*connections are logged in/m);
  await dev.waitFor(/^dev: started unix-proxy-app\.sock, proxy-monitor in \d+ ms$/m);
  // PM2 may have restarted the proxy just before it was replaced, and the verdict may be on that process.
  await until(async () => (await get(dev.socket).catch(() => undefined)) === 200, 'an answer');
});

test('npm run dev restarts what a change concerns, survives a broken one, and leaves nothing behind', async (t) => {
  const dev = await openDev(t);
  await dev.waitFor(/^dev: started unix-proxy-app\.sock, proxy-monitor in \d+ ms/m);
  await dev.waitFor(/^proxy-monitor +\| .*Monitoring app\.sock/m);
  assert.equal(await get(dev.socket), 200);
  const firstPid = await until(dev.proxyPid, 'the pid of the proxy');

  dev.edit('src/commands/run/monitor.ts', '`Monitoring ${', '`Watching ${');
  await dev.waitFor(/^dev: built commands\/run\/monitor\.js in \d+ ms$/m);
  await dev.waitFor(/^dev: restarted proxy-monitor in \d+ ms$/m);
  await dev.waitFor(/^proxy-monitor +\| .*Watching app\.sock/m);
  assert.equal(dev.proxyPid(), firstPid);

  dev.edit('src/lib/backoff.ts', 'export const', 'export const =');
  await dev.waitFor(/^ +src\/lib\/backoff\.ts:\d+:\d+/m);
  await dev.waitFor(/^dev: the build failed; the last good one runs on$/m);
  assert.equal(await get(dev.socket), 200);
  dev.edit('src/lib/backoff.ts', 'export const =', 'export const');
  await dev.waitFor(/^dev: built nothing that differs in \d+ ms$/m);

  dev.edit('src/commands/run/run.ts', 'connections are logged in', 'connections are written to');
  await dev.waitFor(/^dev: built commands\/run\/run\.js in \d+ ms$/m);
  await dev.waitFor(/^dev: restarted unix-proxy-app\.sock in \d+ ms$/m);
  await dev.waitFor(/^unix-proxy-app\.sock +\| .*connections are written to/m);
  const secondPid = await until(() => {
    const pid = dev.proxyPid();
    return pid !== firstPid && pid;
  }, 'the pid of a new process');
  assert.equal(await get(dev.socket), 200);

  const another = dev.start();
  assert.equal(await another.exitCode, 1);

  const daemonPid = readInteger(join(dev.home, 'pm2/pm2.pid')) ?? assert.fail('no daemon');
  dev.child.kill('SIGINT');
  assert.equal(await dev.exitCode, 0);
  assert.ok(!existsSync(dev.home));
  for (const pid of [secondPid, daemonPid]) assert.ok(!isAlive(pid), `${pid} has ended`);
});
