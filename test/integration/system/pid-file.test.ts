import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, utimesSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { removeStalePidFile } from '../../../src/system/pid-file.ts';
import { HAS_PROCFS, processStartedAt } from '../../../src/system/proc/procfs.ts';
import { needs } from '../../support/requirements.ts';
import { tempFolder } from '../../support/temp-dir.ts';

test('a proxy that cannot write its pid file logs that, serves, and writes the file once it can', async () => {
  const folder = tempFolder();
  const config = join(folder, 'steadyport.json');
  const socket = join(folder, 'app.sock');
  const pidFile = join(folder, 'home/ports/app.sock/pid');
  // A file cannot replace a folder, so the write fails as on a full disk.
  mkdirSync(pidFile, { recursive: true, mode: 0o700 });
  const upstream = createServer((client) => client.end('served'));
  await once(upstream.listen(0, '127.0.0.1'), 'listening');
  after(() => upstream.close());
  const { port } = upstream.address() as AddressInfo;
  const proxies = [{ listen: `unix:${socket}`, upstream: `127.0.0.1:${port}` }];
  writeFileSync(config, JSON.stringify({ proxies }));

  const proxy = spawn(process.execPath, [join(process.cwd(), 'dist/cli.js'), 'run', 'unix-proxy-app.sock'], {
    env: {
      STEADYPORT_CONFIG: config,
      STEADYPORT_HOME: join(folder, 'home'),
      STEADYPORT_PROJECT: 'default',
      LOG_FORMAT: 'json',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  after(() => proxy.kill('SIGKILL'));
  const events: { event: string; text: string }[] = [];
  for await (const line of createInterface(proxy.stdout)) {
    events.push(JSON.parse(line));
    if (events.at(-1)?.event === 'no_pid_file') break;
  }
  assert.match(events.at(-1)?.text ?? '', /^app\.sock: cannot write .*\/pid: EISDIR.*; serving without it$/);
  const client = connect(socket).setEncoding('utf8');
  assert.deepEqual(await once(client, 'data'), ['served']);

  rmdirSync(pidFile);
  while (readPid(pidFile) !== proxy.pid) await new Promise((done) => setTimeout(done, 50));
});

test('a pid file that is older than the process with its pid is stale, unless that is known to be the proxy', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, () => {
  const path = join(tempFolder(), 'pid');
  writeFileSync(path, `${process.pid}\n`);
  assert.equal(removeStalePidFile(path, null), false);
  const startedAt = processStartedAt(process.pid) ?? assert.fail();
  utimesSync(path, startedAt / 1_000, startedAt / 1_000 - 60);
  assert.equal(removeStalePidFile(path, process.pid), false);
  assert.ok(existsSync(path));
  assert.equal(removeStalePidFile(path, null), true);
  assert.equal(existsSync(path), false);
});

const readPid = (path: string): number | undefined => {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
};
