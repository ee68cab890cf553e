import { join } from 'node:path';
import { pm2FileName } from '../config/app-names.ts';

/** Where PM2 writes the output of an app. */
export interface LogPaths {
  readonly out: string;
  readonly err: string;
}

/** Where it does unless it was told otherwise; it spells the name so (pm2/lib/Common.js). */
export const defaultLogPaths = (pm2Home: string, app: string): LogPaths => {
  const file = join(pm2Home, 'logs', pm2FileName(app));
  return { out: `${file}-out.log`, err: `${file}-error.log` };
};
