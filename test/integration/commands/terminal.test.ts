import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { needs, needsProgram } from '../../support/requirements.ts';
import { tempFolder } from '../../support/temp-dir.ts';

test('on a terminal that reports 0 columns the lines are whole', {
  skip: needs(needsProgram('script', 'bsdutils')),
}, () => {
  const folder = tempFolder();
  const command = `stty size; "${process.execPath}" "${join(process.cwd(), 'dist/cli.js')}" status`;
  // Without a terminal of its own, script(1) gives its terminal no size.
  const output = execFileSync('script', ['-qec', `${command} || true`, '/dev/null'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'] ?? '',
      STEADYPORT_HOME: join(folder, 'home'),
      PM2_HOME: join(folder, 'pm2'),
    },
  });
  assert.match(output, /^0 0\r\n/);
  assert.match(output, /No monitor\. Both ports are not up/);
  assert.doesNotMatch(output, /…/);
});
