import { existsSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AppsOwner } from './apps.ts';
import { isOwnApp } from './ecosystem.ts';

/** The list that `pm2 save` writes, and its backup: `pm2 resurrect` takes the backup when the first is broken. */
const DUMP_FILES = ['dump.pm2', 'dump.pm2.bak'];

/**
 * Removes the apps of this owner from PM2's saved lists, whether PM2 runs or not; all other apps stay. `pm2 save` is no
 * way to do it: it saves what runs at that moment, which is nothing at all when PM2 does not run.
 * @returns the names that were removed, and a message for each list that could not be changed
 */
export const removeSavedApps = (
  pm2Home: string,
  owner: AppsOwner,
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

/**
 * The texts of PM2's saved lists; none without a list.
 * @throws the system's error when one cannot be read
 */
export const readSavedLists = (pm2Home: string): readonly string[] =>
  DUMP_FILES.map((name) => join(pm2Home, name))
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, 'utf8'));

/** The folders of this owner's apps in the list that PM2 starts at boot; none without a list, or with one that is broken. */
export const listSavedFolders = (pm2Home: string, owner: AppsOwner): readonly string[] => {
  try {
    return readOwnApps(join(pm2Home, 'dump.pm2'), owner).ownApps.map(({ pm_cwd }) => pm_cwd ?? '');
  } catch {
    return [];
  }
};

interface SavedApp {
  readonly name: string;
  readonly pm_cwd?: string;
  readonly env?: Readonly<Record<string, unknown>>;
}

const removeFromDump = (dumpPath: string, owner: AppsOwner): readonly string[] => {
  const path = realpathSync(dumpPath);
  const { apps, ownApps } = readOwnApps(path, owner);
  if (ownApps.length === 0) return [];
  const draftPath = `${path}.steadyport`;
  const otherApps = apps.filter((app) => !ownApps.includes(app));
  writeFileSync(draftPath, JSON.stringify(otherApps, null, 2), { mode: statSync(path).mode });
  renameSync(draftPath, path);
  return ownApps.map(({ name }) => name);
};

/** @throws the system's error, or that the file holds no list */
const readOwnApps = (
  path: string,
  owner: AppsOwner,
): { readonly apps: readonly SavedApp[]; readonly ownApps: readonly SavedApp[] } => {
  const apps: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (!Array.isArray(apps)) throw new Error('expected a list of apps');
  const ownApps = (apps as SavedApp[]).filter(({ name, env }) => isOwnApp(owner, name, env));
  return { apps: apps as SavedApp[], ownApps };
};
