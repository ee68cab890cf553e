// `npm run uninstall`: takes steadyport out of PM2, out of PM2's saved list, and removes its state.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, readSettings } from '../dist/host/config-file.js';
import { isAppOf } from '../dist/host/pm2-apps.js';

const { pm2Home, home, configPath } = readSettings();
const stopped = spawnSync(process.execPath, [join(ROOT, 'dist', 'cli.js'), 'stop'], { stdio: 'inherit' });
if (stopped.status !== 0) {
  process.stderr.write('uninstall: nothing was removed, since the apps could not be stopped\n');
  process.exit(1);
}

// Not `pm2 save`: it would save whatever runs just now, which is nothing at all when PM2 does not run.
const saved = join(pm2Home, 'dump.pm2');
if (existsSync(saved)) {
  const apps = JSON.parse(readFileSync(saved, 'utf8'));
  const others = apps.filter(({ name, env }) => !isAppOf(configPath, name, env));
  if (others.length < apps.length) writeFileSync(saved, JSON.stringify(others, null, 2));
}
rmSync(home, { recursive: true, force: true });

process.stdout.write(
  `Removed: the PM2 apps, their entries in PM2's saved list, and ${home}.\n` +
    `What remains: this folder with ${configPath}; PM2 itself with its logs (${join(pm2Home, 'logs')}), ` +
    'and its start at boot if you set that up (undo it with: pm2 unstartup).\n',
);
