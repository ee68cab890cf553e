// `npm run uninstall`: takes steadyport out of PM2, out of PM2's saved list, and removes its state.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT, readSettings } from '../dist/host/config-file.js';

const { pm2Home, home, configPath } = readSettings();
const run = (...args) => spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;

if (run(join(ROOT, 'dist', 'cli.js'), 'stop') !== 0) process.exit(1);
if (existsSync(join(pm2Home, 'dump.pm2')))
  run(createRequire(import.meta.url).resolve('pm2/bin/pm2'), 'save', '--force');
rmSync(home, { recursive: true, force: true });

process.stdout.write(
  `Removed: the PM2 apps, their entries in PM2's saved list, and ${home}.\n` +
    `What remains: this folder with ${configPath}; PM2 itself with its logs (${join(pm2Home, 'logs')}), ` +
    'and its start at boot if you set that up (undo it with: pm2 unstartup).\n',
);
