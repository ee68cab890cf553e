import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listProjectRecords } from '../../config/project/record.ts';
import type { Settings } from '../../config/settings.ts';
import { pm2Command } from '../../lib/command-lines.ts';
import { COMMAND_LIST_TIMEOUT_MS, createPm2 } from '../../pm2/client.ts';
import { findDaemon } from '../../pm2/daemon.ts';
import { listSavedFolders, readSavedLists } from '../../pm2/dump.ts';
import { NO_DAEMON } from '../../pm2/rpc.ts';
import { type Release, releasesFolder } from '../../release/release.ts';
import { listReleaseUsers, removeUnusedReleases } from '../../release/unused.ts';
import { createDebug } from '../../system/debug.ts';
import { listFiles } from '../../system/files.ts';

const debug = createDebug('pm2');

/** Removes the releases that nobody uses any more, beside the one that was started just now. */
export const removeOldReleases = async (settings: Settings, { folder }: Release): Promise<void> => {
  const others = listFiles(dirname(folder)).filter((name) => name !== basename(folder));
  if (dirname(folder) === releasesFolder(settings.home) && others.length > 0) await removeUnused(settings);
};

/**
 * Removes the releases that no process runs from and that nothing names: no app of PM2, stopped or not, and none of its saved
 * lists, with the PM2_HOME of each project of this STEADYPORT_HOME. Where that cannot be known, or a file cannot be removed,
 * they stay until the next time.
 * @param minUnusedMs as for removeUnusedReleases
 */
const removeUnused = async ({ pm2Home, home }: Settings, minUnusedMs?: number): Promise<void> => {
  try {
    const pm2Homes = [...new Set([pm2Home, ...listProjectRecords(home).map((record) => record.pm2Home)])];
    const folders = (await Promise.all(pm2Homes.map(listAppFolders))).flat();
    removeUnusedReleases(home, [...folders, ...pm2Homes.flatMap(readSavedLists)], minUnusedMs);
  } catch (error) {
    debug('releases: %s', (error as Error).message);
  }
};

/** Longer than a process takes to exit once it has closed its sockets. */
const EXIT_TIMEOUT_MS = 3_000;
const EXIT_POLL_MS = 50;

/**
 * Removes all releases, but for those that are used. A process that is about to end, as of a stop just now, is waited for.
 * @returns the pids of the processes that run from what is left
 */
export const removeReleases = async (settings: Settings): Promise<readonly number[]> => {
  const { pm2Home, home } = settings;
  for (const startedAt = performance.now(); ; await sleep(EXIT_POLL_MS)) {
    const users = listReleaseUsers(home);
    const daemonPid = findDaemon(pm2Home);
    const isEnding = users.some((pid) => pid !== daemonPid);
    if (isEnding && performance.now() - startedAt < EXIT_TIMEOUT_MS) continue;
    await removeUnused(settings, 0);
    return users;
  }
};

/** Says that PM2 would start apps of an older release at the next boot; empty when it would not. */
export const describeSavedApps = (settings: Settings, { folder }: Release): string =>
  listSavedFolders(settings.pm2Home, settings).every((saved) => saved === folder)
    ? ''
    : `PM2's saved list has an older release than what runs now; for the next boot: ${pm2Command('save')}\n`;

/** @throws when there is a daemon that cannot be asked */
const listAppFolders = async (pm2Home: string): Promise<readonly string[]> => {
  const pm2 = createPm2(pm2Home, COMMAND_LIST_TIMEOUT_MS);
  const view = await pm2.list();
  pm2.close();
  if (!view.ok && view.problem !== NO_DAEMON) throw new Error(view.problem);
  return view.ok ? [...view.apps.values()].map(({ launch }) => launch?.folder ?? '') : [];
};
