import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ProxyStatus, Snapshot } from '../../src/status/snapshot.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs, needsProgram, needsRoot } from '../support/requirements.ts';

const skip = needs(needsRoot(), needsProgram('unshare', 'util-linux'), needsProgram('umount', 'mount'));
const CLI = join(process.cwd(), 'dist/cli.js');

/** Runs one check by a process that has no /proc, as on macOS. @returns the status of the first proxy */
const checkWithoutProcfs = ({ env, folder }: Pm2Sandbox): Promise<ProxyStatus | undefined> =>
  new Promise((done) => {
    const command = `umount -l /proc && exec "${process.execPath}" "${CLI}" status --json`;
    execFile('unshare', ['--mount', 'sh', '-c', command], { cwd: folder, env }, (_, stdout) =>
      done((JSON.parse(stdout) as Snapshot).proxies[0]),
    );
  });

test('without /proc, unknown evidence is no failure, and a proxy that does not answer is found all the same', {
  skip,
}, async (t) => {
  const sandbox = openPm2Sandbox();
  const upstream = await openUpstream();
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  const port = await freePort();
  sandbox.configure([
    { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}`, probe: { type: 'http' } },
  ]);
  await sandbox.pm2('start', ECOSYSTEM, '--only', `tcp-proxy-${port}`);
  const well = await checkWithoutProcfs(sandbox);
  assert.deepEqual([well?.state, well?.cause, well?.pm2], ['up', null, 'online']);
  const { memoryBytes, cpuPercent, openFiles } = well?.usage ?? {};
  assert.deepEqual([memoryBytes, cpuPercent, openFiles], [null, null, null]);

  process.kill(Number(well?.pid), 'SIGSTOP');
  const hung = await checkWithoutProcfs(sandbox);
  assert.deepEqual([hung?.state, hung?.cause], ['down', 'hung']);
  process.kill(Number(well?.pid), 'SIGCONT');
  assert.equal((await checkWithoutProcfs(sandbox))?.state, 'up');
});
