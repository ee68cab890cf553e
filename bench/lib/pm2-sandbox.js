// A PM2 of its own for a measure; whatever runs in it ends with the measure.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { envIn, signal } from '../chaos/pm2-sandbox.js';
import { processesOf } from '../chaos/processes.js';
import { alongWith } from './children.js';

/** PM2's daemon leaves our process group: it is found by what it has in its environment. */
export const openStation = (parent) => {
  const folder = mkdtempSync(join(parent, 'pm2-'));
  const env = envIn(folder);
  alongWith(() => {
    for (const pid of processesOf(folder).keys()) signal(pid, 'SIGKILL');
  });
  return { folder, env };
};
