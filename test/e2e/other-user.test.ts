import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Snapshot } from '../../src/status/snapshot.ts';
import { readInteger } from '../../src/system/files.ts';
import { isAlive } from '../../src/system/proc/procfs.ts';
import { findListeners } from '../../src/system/proc/socket-table.ts';
import { startChild } from '../support/child-process.ts';
import type { Outcome } from '../support/cli.ts';
import { openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs, needsProgram, needsRoot } from '../support/requirements.ts';
import { tempFolder } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const CLI = join(process.cwd(), 'dist/cli.js');
/** nobody (Debian Policy 9.2.2). */
const NOBODY = 65_534;
const AS_NOBODY = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
/** In a mount namespace of its own: /proc there shows a user no process of another one (proc(5)). */
const WITHOUT_OTHERS = [
  'unshare',
  '--mount',
  'sh',
  '-c',
  'mount -t proc -o hidepid=2 proc /proc && exec "$@"',
  'sh',
];

/** Whether nobody may read the program: a checkout in somebody's home is often closed to others. */
const needsOpenCheckout = async (): Promise<string | undefined> => {
  if (process.getuid?.() !== 0) return undefined;
  const { code } = await runProgram([...AS_NOBODY, process.execPath, CLI, '--version'], {});
  return code === 0 ? undefined : 'needs a checkout, and a Node.js, that every user may read';
};

const runProgram = (
  [file = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Outcome> =>
  new Promise((done) => {
    const options = { env: { PATH: process.env['PATH'] ?? '', ...env }, cwd: '/', timeout: 120_000 };
    execFile(file, args, options, (error, stdout, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
    );
  });

const skip = needs(
  needsRoot(),
  needsProgram('setpriv', 'util-linux'),
  needsProgram('unshare', 'util-linux'),
  await needsOpenCheckout(),
);

/** A proxy of root, and the same config for nobody, who has a home. */
const rig = async (t: TestContext) => {
  const folder = tempFolder();
  chmodSync(folder, 0o755);
  const home = join(folder, 'nobody');
  mkdirSync(home);
  chownSync(home, NOBODY, NOBODY);
  const upstream = await openUpstream();
  t.after(() => upstream.close());
  const port = await freePort();
  const config = join(folder, 'steadyport.json');
  const proxies = [{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }];
  writeFileSync(config, JSON.stringify({ proxies, monitor: { http: false } }));
  const envOf = (path: string) => ({
    HOME: path,
    NO_COLOR: '1',
    COLUMNS: '1000',
    STEADYPORT_CONFIG: config,
    STEADYPORT_PROJECT: 'default',
    STEADYPORT_HOME: join(path, '.steadyport'),
    PM2_HOME: join(path, '.pm2'),
  });
  const variables = Object.entries(envOf(join(folder, 'root'))).map(([name, value]) => `${name}=${value}`);
  const proxy = startChild(t, 'env', [...variables, process.execPath, CLI, 'run', `tcp-proxy-${port}`]);
  await until(() => findListeners(port)?.length === 1, 'the proxy to listen');
  const asNobody = (prefix: readonly string[], ...args: string[]): Promise<Outcome> =>
    runProgram([...prefix, ...AS_NOBODY, process.execPath, CLI, ...args], envOf(home));
  return { port, proxy, home, asNobody };
};

test("another user's status says whose the port is, and not that it crashed", { skip }, async (t) => {
  const { port, proxy, asNobody } = await rig(t);
  const { code, stdout } = await asNobody([], 'status');
  assert.equal(code, 3);
  assert.match(stdout, new RegExp(`^■ ${port} .* served by user root$`, 'm'));
  assert.ok(
    stdout.includes(`port ${port} is served by user root (pid ${proxy.pid}): sudo -u root npm run status`),
    stdout,
  );
  assert.doesNotMatch(stdout, /crashed|npm start/);
  const snapshot = JSON.parse((await asNobody([], 'status', '--json')).stdout) as Snapshot;
  assert.deepEqual(
    [snapshot.proxies[0]?.cause, snapshot.proxies[0]?.absence],
    [null, { kind: 'other_user', user: 'root', pid: proxy.pid, isProxy: true }],
  );

  // What this user may not see stays unknown.
  const hidden = await asNobody(WITHOUT_OTHERS, 'status');
  assert.equal(hidden.code, 3);
  assert.ok(
    hidden.stdout.includes(
      `port ${port} is held by a process of user root that this user may not see; if it is steadyport's: sudo -u root npm run status`,
    ),
    hidden.stdout,
  );
});

test("another user's start says who holds the port", { skip }, async (t) => {
  const { port, proxy, home, asNobody } = await rig(t);
  t.after(async () => {
    const pid = readInteger(join(home, '.pm2/pm2.pid'));
    if (pid === undefined) return;
    process.kill(pid, 'SIGTERM');
    await until(() => !isAlive(pid), "the end of nobody's daemon");
  });
  const { stdout, stderr } = await asNobody([], 'start');
  assert.equal(stderr, '');
  assert.match(
    stdout,
    new RegExp(
      `^✗ ${port} .*held by pid ${proxy.pid} \\(steadyport: proxy ${port}\\) of user root.* sudo -u root npm run status`,
      'm',
    ),
  );
});
