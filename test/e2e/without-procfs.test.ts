import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ProxyStatus, Snapshot } from '../../src/status/snapshot.ts';
import { ECOSYSTEM, openStation, openUpstream, type Station } from '../support/pm2-sandbox.ts';
import { freePort } from '../support/proxy-harness.ts';
import { needs, needsProgram, needsRoot } from '../support/requirements.ts';

const skip = needs(needsRoot(), needsProgram('unshare', 'util-linux'), needsProgram('umount', 'mount'));
const CLI = join(process.cwd(), 'dist/cli.js');

/** One look of its own, by a process that has no /proc, as on macOS. */
const lookWithout = ({ env, folder }: Station): Promise<ProxyStatus | undefined> =>
  new Promise((done) => {
    const command = `umount -l /proc && exec "${process.execPath}" "${CLI}" status --json`;
    execFile('unshare', ['--mount', 'sh', '-c', command], { cwd: folder, env }, (_, stdout) =>
      done((JSON.parse(stdout) as Snapshot).proxies[0]),
    );
  });

test('without /proc what is not known is no failure, and what does not answer is found all the same', {
  skip,
}, async (t) => {
  const [station, upstream] = [openStation(), await openUpstream()];
  t.after(() => station.close());
  t.after(() => upstream.close());
  const port = await freePort();
  station.configure([
    { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}`, probe: { type: 'http' } },
  ]);
  assert.equal((await station.pm2('start', ECOSYSTEM, '--only', `tcp-proxy-${port}`)).code, 0);
  const well = await lookWithout(station);
  assert.deepEqual([well?.state, well?.cause, well?.pm2], ['up', null, 'online']);
  const { memoryBytes, cpuPercent, openFiles } = well?.usage ?? {};
  assert.deepEqual([memoryBytes, cpuPercent, openFiles], [null, null, null]);

  process.kill(Number(well?.pid), 'SIGSTOP');
  const hung = await lookWithout(station);
  assert.deepEqual([hung?.state, hung?.cause], ['down', 'hung']);
  process.kill(Number(well?.pid), 'SIGCONT');
  assert.equal((await lookWithout(station))?.state, 'up');
});
