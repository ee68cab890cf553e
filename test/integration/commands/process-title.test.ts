import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { needs } from '../../support/requirements.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const skip = needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)');

describe('ps tells the processes apart', { skip, concurrency: true }, () => {
  const table: readonly [args: readonly string[], title: string][] = [
    [['run', 'unix-proxy-app.sock'], 'steadyport: proxy app.sock'],
    [['monitor'], 'steadyport: monitor'],
    [['proxy', 'unix:FOLDER/own.sock', 'localhost', '1'], 'steadyport: proxy own.sock'],
  ];
  for (const [args, title] of table)
    test(title, async (t) => {
      const folder = tempFolder();
      const config = {
        proxies: [{ listen: `unix:${folder}/app.sock`, upstream: 'localhost:1' }],
        monitor: { http: false },
      };
      writeFileSync(join(folder, 'steadyport.json'), JSON.stringify(config));
      const child = spawn(
        process.execPath,
        [join(process.cwd(), 'dist/cli.js'), ...args.map((arg) => arg.replace('FOLDER', folder))],
        {
          env: {
            PATH: process.env['PATH'] ?? '',
            HOME: folder,
            STEADYPORT_CONFIG: join(folder, 'steadyport.json'),
            STEADYPORT_PROJECT: 'default',
            STEADYPORT_HOME: join(folder, 'home'),
            PM2_HOME: join(folder, 'pm2'),
          },
          stdio: 'ignore',
        },
      );
      t.after(() => child.kill('SIGKILL'));
      const readTitle = (): string => readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').replace(/\0+$/, '');
      await until(() => readTitle() === title);
      assert.equal(readTitle(), title);
    });
});
