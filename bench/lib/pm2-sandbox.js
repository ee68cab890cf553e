// A PM2 sandbox for a measure: everything that runs in it ends with the measure.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { envIn, signal } from '../chaos/sandbox/pm2-sandbox.js';
import { processesOf } from '../chaos/sandbox/processes.js';
import { killWithChildren } from './children.js';

/** PM2's daemon leaves this process group, and is found by its environment. */
export const openPm2Sandbox = (parent) => {
  const folder = mkdtempSync(join(parent, 'pm2-'));
  const env = envIn(folder);
  killWithChildren(() => {
    for (const pid of processesOf(folder).keys()) signal(pid, 'SIGKILL');
  });
  return { folder, env };
};
