import { readlinkSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listFiles, removeEmptyFolder, removeFile } from '../system/files.ts';
import { HAS_PROCFS, isAlive, listProcFolder } from '../system/proc/procfs.ts';
import { draftPidOf, removeRelease } from './draft.ts';
import { releasesFolder } from './release.ts';

/** Another start may have taken a release and not yet handed it to PM2, which takes at most as long as PM2's command may. */
const MIN_UNUSED_MS = 600_000;

/**
 * Removes the releases that nothing uses, and what processes that were killed have left of theirs. A release is used by each
 * process whose working folder it is, which is so for the apps and for a PM2 daemon that `start` has launched, and by what
 * `references` names. Without /proc it is not known what runs, and all of them stay.
 * @param references texts that may name folders of releases: those of PM2's apps, and its saved lists
 * @param minUnusedMs how long ago a release must have been taken for the last time. Default: MIN_UNUSED_MS
 * @throws the system's error
 */
export const removeUnusedReleases = (
  home: string,
  references: readonly string[],
  minUnusedMs = MIN_UNUSED_MS,
): void => {
  const folder = releasesFolder(home);
  for (const name of listFiles(folder)) {
    const pid = draftPidOf(name);
    if (pid !== undefined && !isAlive(pid)) removeFile(join(folder, name));
  }
  if (!HAS_PROCFS) return;
  const inUse = workingFolders().map(({ folder: workingFolder }) => workingFolder);
  for (const name of listFiles(folder)) {
    const release = join(folder, name);
    const isOld = Date.now() - statSync(release).mtimeMs >= minUnusedMs;
    const isUsed =
      references.some((text) => text.includes(name)) || inUse.includes(realpathSync.native(release));
    if (draftPidOf(name) === undefined && isOld && !isUsed) removeRelease(release);
  }
  removeEmptyFolder(folder);
};

/** The pids of the processes that run from a release of this home; none without /proc. */
export const listReleaseUsers = (home: string): readonly number[] => {
  const releases = releasesFolder(home);
  return workingFolders()
    .filter(({ folder }) => dirname(folder) === releases)
    .map(({ pid }) => pid);
};

/** The working folder of each process that this user may see. */
const workingFolders = (): readonly { readonly pid: number; readonly folder: string }[] =>
  listProcFolder('/proc').flatMap((name) => {
    const pid = Number(name);
    try {
      return Number.isInteger(pid) ? [{ pid, folder: readlinkSync(`/proc/${pid}/cwd`) }] : [];
    } catch {
      // It has ended, or belongs to another user.
      return [];
    }
  });
