import { readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Owner } from './apps.ts';
import { isAppOf } from './ecosystem.ts';

/** The list that `pm2 save` writes, and its backup: `pm2 resurrect` takes the backup when the first is broken. */
const DUMP_FILES = ['dump.pm2', 'dump.pm2.bak'];

/**
 * Removes the apps of this owner from PM2's saved lists, whether PM2 runs or not; all other apps stay. `pm2 save` is no
 * way to do it: it saves what runs at that moment, which is nothing at all when PM2 does not run.
 * @returns the names that were removed, and a message for each list that could not be changed
 */
export const removeSavedApps = (
  pm2Home: string,
  owner: Owner,
): { readonly names: readonly string[]; readonly problems: readonly string[] } => {
  const names = new Set<string>();
  const problems: string[] = [];
  for (const dumpPath of DUMP_FILES.map((name) => join(pm2Home, name))) {
    try {
      for (const name of removeFromDump(dumpPath, owner)) names.add(name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        problems.push(`${dumpPath} was left as it is: ${(error as Error).message}`);
    }
  }
  return { names: [...names], problems };
};

interface SavedApp {
  readonly name: string;
  readonly env?: Readonly<Record<string, unknown>>;
}

const removeFromDump = (dumpPath: string, owner: Owner): readonly string[] => {
  const path = realpathSync(dumpPath);
  const apps: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (!Array.isArray(apps)) throw new Error('expected a list of apps');
  const ownApps = (apps as SavedApp[]).filter(({ name, env }) => isAppOf(owner, name, env));
  if (ownApps.length === 0) return [];
  const draftPath = `${path}.steadyport`;
  const otherApps = (apps as SavedApp[]).filter((app) => !ownApps.includes(app));
  writeFileSync(draftPath, JSON.stringify(otherApps, null, 2), { mode: statSync(path).mode });
  renameSync(draftPath, path);
  return ownApps.map(({ name }) => name);
};
