import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { startChild } from '../../support/child-process.ts';
import { compiled } from '../../support/compiled.ts';
import { needs } from '../../support/requirements.ts';
import { tempFolder } from '../../support/temp-dir.ts';

test('a process that is out of files takes nothing that is well for down, launches no PM2, and can look again with its reserve', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, async (t) => {
  const folder = tempFolder();
  const program = fileURLToPath(compiled('test/support/out-of-files-child.ts'));
  const script = 'ulimit -n 100; exec "$0" "$1" "$2"';
  const child = startChild(t, 'sh', ['-c', script, process.execPath, program, folder]);
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await once(child, 'close');
  assert.deepEqual(JSON.parse(output), {
    without: {
      listeners: null,
      upstream: null,
      probe: 'untried',
      direct: 'untried',
      heartbeat: 'unknown',
      monitorErrors: 0,
      pm2: { ok: false, problem: 'PM2 cannot be asked (EMFILE)' },
      supply: 'exhausted',
    },
    withReserve: { supply: 'in_use', listeners: 1 },
    afterwards: 'ample',
  });
  assert.deepEqual(readdirSync(folder).sort(), ['control.sock', 'rpc.sock']);
});
