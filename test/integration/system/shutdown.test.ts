import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { connectControl } from '../../../src/ipc/client.ts';
import type { ProxyProtocol } from '../../../src/ipc/protocol.ts';
import { dial, echo, freePort, readBytes, serve } from '../../support/proxy/proxy-harness.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

test('a proxy that is ordered to leave, twice, has released its port and lets its connections finish', {
  timeout: 60_000,
}, async (t) => {
  const folder = tempFolder();
  const port = await freePort();
  const upstream = await serve(t, echo);
  const config = join(folder, 'steadyport.json');
  const proxies = [{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }];
  writeFileSync(config, JSON.stringify({ proxies }));
  const proxy = spawn(process.execPath, ['dist/cli.js', 'run', `tcp-proxy-${port}`], {
    env: { STEADYPORT_CONFIG: config, STEADYPORT_HOME: join(folder, 'home'), STEADYPORT_PROJECT: 'default' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => proxy.kill('SIGKILL'));
  const lines = createInterface(proxy.stdout);
  await once(lines, 'line');
  const client = dial(t, { host: '127.0.0.1', port });
  client.write('before');
  await readBytes(client, 6);

  const socket = join(folder, `home/ports/${port}/control.sock`);
  const control = await until(
    () => connectControl<ProxyProtocol>(socket, 60_000).catch(() => undefined),
    `a control socket at ${socket}`,
  );
  for (let order = 1; order <= 2; order += 1) {
    await control.ask('leave', null, 60_000);
    const [error] = (await once(dial(t, { host: '127.0.0.1', port }), 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
  }
  client.write('after');
  assert.equal((await readBytes(client, 5)).toString(), 'after');
  client.end();
  assert.deepEqual(await once(proxy, 'exit'), [0, null]);
});
