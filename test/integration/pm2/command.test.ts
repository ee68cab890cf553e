import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { runPm2Command } from '../../../src/pm2/client.ts';
import { tempFolder } from '../../support/temp-dir.ts';

test("PM2's command line is killed when its daemon never answers, and its output says so", async (t) => {
  const pm2Home = tempFolder();
  const daemon = createServer().listen(join(pm2Home, 'rpc.sock'));
  t.after(() => daemon.close());
  await once(daemon, 'listening');
  process.env['PM2_HOME'] = pm2Home;
  t.after(() => delete process.env['PM2_HOME']);
  const { exitCode, output } = await runPm2Command(process.cwd(), ['list'], {}, 2_000);
  assert.equal(exitCode, 1);
  assert.match(
    output,
    /^steadyport: "pm2 list" had not ended after 2 s, and was killed; see pm2\.log in PM2_HOME$/m,
  );
});
