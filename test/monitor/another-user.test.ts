import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { HAS_PROCFS } from '../../src/host/procfs.ts';
import { needs, needsRoot } from '../e2e/needs.ts';

test("what may not be read of another user's process is unknown, and no failure", {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)', needsRoot()),
}, async () => {
  const gauge = pathToFileURL(join(import.meta.dirname, '../../src/monitor/gauge.js')).href;
  const code = `process.setgroups([]); process.setgid(65534);
    const [{ createGauge, processState }, { parseConfig }] = await Promise.all(process.argv.slice(1, 3).map((url) => import(url)));
    process.setuid(65534);
    const { config } = parseConfig({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }] });
    const gauge = createGauge(config.proxies[0].limits);
    const pid = Number(process.argv[3]);
    gauge.measure(pid, null);
    console.log(JSON.stringify({ uid: process.getuid(), state: processState(pid), levels: gauge.levels(), usage: gauge.usage() }));`;
  const config = pathToFileURL(join(import.meta.dirname, '../../src/core/config.js')).href;
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...['--input-type=module', '-e', code, gauge, config, String(process.pid)],
  ]);
  const seen = JSON.parse(stdout) as {
    uid: number;
    state: string;
    levels: Record<string, string>;
    usage: Record<string, unknown>;
  };
  assert.equal(seen.uid, 65_534);
  assert.equal(seen.state, 'alive');
  assert.equal(seen.levels['openFiles'], 'unknown');
  assert.equal(seen.usage['openFiles'], null);
  for (const level of Object.values(seen.levels)) assert.ok(['ok', 'unknown'].includes(level), level);
});
