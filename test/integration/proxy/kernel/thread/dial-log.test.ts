import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Address } from '../../../../../src/lib/address.ts';
import { compiled } from '../../../../support/compiled.ts';
import { needs } from '../../../../support/requirements.ts';

const LINES = 3;

test('STEADYPORT_DEBUG=dial writes the dials of the thread to stderr', {
  skip: needs(process.platform === 'linux' ? undefined : 'needs Linux'),
  timeout: 60_000,
}, async (t) => {
  const script = fileURLToPath(compiled('test/support/fake-kernel/programs/engine-process.ts'));
  const child = fork(script, ['1'], {
    env: { PATH: process.env['PATH'], STEADYPORT_DEBUG: 'dial' },
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [{ address }] = (await once(child, 'message')) as [{ readonly address: Address }];
  assert.ok(child.stderr);
  const client = connect(address.port, address.host).on('error', () => {});
  t.after(() => client.destroy());
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    if (lines.length === LINES) break;
  }
  assert.deepEqual(
    lines,
    [
      'connecting to 127.0.0.1:1, attempt 1',
      'attempt 1 failed: ECONNREFUSED',
      'gave up: ECONNREFUSED, attempts: 1',
    ].map((line) => `STEADYPORT dial ${child.pid}: ${line}`),
  );
});
