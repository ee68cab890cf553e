import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { dial, echo, freePort, pump, readAll, serve } from '../../support/proxy/proxy-harness.ts';

const MAX_GROWTH_KB = 8_192;

test('200 MB towards a reader that does not read cost a proxy less than 8 MB', {
  skip: HAS_PROCFS ? false : 'needs /proc',
}, async (t) => {
  let isReading = true;
  const upstream = await serve(t, (socket) => {
    if (isReading) echo(socket);
    else socket.pause();
  });
  const port = await freePort();
  const args = ['dist/cli.js', 'proxy', `127.0.0.1:${port}`, '127.0.0.1', String(upstream.port)];
  const proxy = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => proxy.kill('SIGKILL'));
  await once(createInterface({ input: proxy.stdout }), 'line');
  const residentKb = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${proxy.pid}/status`, 'utf8'))?.[1]);

  const address = { host: '127.0.0.1', port };
  const warm = dial(t, address);
  warm.end(Buffer.alloc(50_000_000));
  assert.equal((await readAll(warm)).length, 50_000_000);

  isReading = false;
  const before = residentKb();
  const client = dial(t, address);
  const sent = pump(client, Buffer.alloc(100_000), 200_000_000);
  let maxGrowthKb = 0;
  for (let same = 0, last = 0; same < 2_000; last = sent.bytes) {
    await new Promise((done) => setTimeout(done, 1));
    same = sent.bytes > 0 && sent.bytes === last ? same + 1 : 0;
    if (same % 100 === 0) maxGrowthKb = Math.max(maxGrowthKb, residentKb() - before);
  }
  assert.ok(sent.bytes < 100_000_000, `${sent.bytes} bytes went into a pipe that nobody reads`);
  assert.ok(maxGrowthKb < MAX_GROWTH_KB, `${maxGrowthKb} kB more`);
});
