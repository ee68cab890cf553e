import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { takeLock } from '../../../src/system/lock.ts';
import { tempFolder } from '../../support/temp-dir.ts';

for (const command of ['start', 'stop', 'uninstall'])
  test(`${command} waits for another command that changes what PM2 runs, and names it`, async (t) => {
    const folder = tempFolder();
    const pm2Home = join(folder, 'pm2');
    const config = join(folder, 'steadyport.json');
    mkdirSync(pm2Home);
    writeFileSync(config, JSON.stringify({ proxies: [{ listen: '127.0.0.1:1', upstream: '127.0.0.1:2' }] }));
    const release = takeLock(join(pm2Home, 'steadyport.lock'));
    const child = spawn(process.execPath, [join(process.cwd(), 'dist/cli.js'), command], {
      env: {
        HOME: folder,
        PM2_HOME: pm2Home,
        STEADYPORT_HOME: join(folder, 'home'),
        STEADYPORT_CONFIG: config,
        STEADYPORT_PROJECT: 'default',
      },
    });
    t.after(() => child.kill('SIGKILL'));
    const output = text(child.stdout);
    const [line] = await once(child.stderr.setEncoding('utf8'), 'data');
    assert.equal(
      line,
      `steadyport: waits for another start, stop or uninstall (pid ${process.pid}) on the same PM2_HOME\n`,
    );
    if (command === 'start') return;
    release?.();
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.match(await output, /^PM2 runs nothing of /);
  });
