import { join } from 'node:path';
import { pm2FileName } from '../config/app-names.ts';

/** The files that PM2 writes an app's output to. */
export interface LogPaths {
  readonly out: string;
  readonly err: string;
}

/** The files that PM2 uses when the app's settings name no others (lib/Common.js of PM2). */
export const defaultLogPaths = (pm2Home: string, app: string): LogPaths => {
  const file = join(pm2Home, 'logs', pm2FileName(app));
  return { out: `${file}-out.log`, err: `${file}-error.log` };
};
