import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { askMonitor, askStatus } from '../../../src/commands/ask-monitor.ts';
import { projectOf } from '../../../src/config/project/project.ts';
import { readSettings } from '../../../src/config/settings.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const settingsOf = (stateDir: string) => ({ ...readSettings(), project: projectOf(stateDir, 'default') });

test('a monitor that cuts the connection is there, and does not answer', async (t) => {
  const stateDir = tempFolder();
  const server = createServer((socket) => socket.destroy());
  t.after(() => server.close());
  await once(server.listen(join(stateDir, 'monitor.sock')), 'listening');
  assert.equal(await askMonitor(settingsOf(stateDir), askStatus), 'silent');
});

test('where nobody listens there is no monitor', async () => {
  assert.equal(await askMonitor(settingsOf(tempFolder()), askStatus), 'none');
});
