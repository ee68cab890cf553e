import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { steadyport } from '../../support/cli.ts';
import { tempFolder } from '../../support/temp-dir.ts';

test('uninstall says what there was to remove, and gives its command for the rest as a shell takes it', async () => {
  const folder = tempFolder();
  const home = join(folder, 'a home');
  const pm2Home = join(folder, 'pm2');
  const config = join(folder, 'steadyport.json');
  const release = join(home, 'releases', '0123456789abcdef');
  mkdirSync(release, { recursive: true, mode: 0o700 });
  mkdirSync(pm2Home);
  writeFileSync(config, '{"proxies": [{"listen": "26274", "upstream": "localhost:26274"}]}');
  writeFileSync(join(pm2Home, 'dump.pm2'), JSON.stringify([{ name: 'other', pm_cwd: release }]));
  const env = { HOME: folder, STEADYPORT_HOME: home, STEADYPORT_CONFIG: config, PM2_HOME: pm2Home };
  const { code, stdout, stderr } = await steadyport(['uninstall'], { ...env, STEADYPORT_PROJECT: 'default' });
  assert.deepEqual([code, stderr], [0, '']);
  assert.ok(stdout.includes(`\nRemoved: the state in ${home}.\n`), stdout);
  assert.ok(stdout.includes(`needs it any more: rm -r '${join(home, 'releases')}'\n`), stdout);
  assert.ok(stdout.includes(`  the checkout ${process.cwd()}, and the config ${config}\n`), stdout);
});
