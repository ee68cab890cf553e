import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { removeFile } from '../system/files.ts';
import type { PlacedPackage } from './packages.ts';

/**
 * Writes a release under a name of this process, and renames it when it is whole. Nothing is left of one that fails.
 * @param isWhole tells whether the release is there already, from another process
 * @throws the system's error, such as ENOSPC
 */
export const writeRelease = (
  folder: string,
  files: ReadonlyMap<string, string | Buffer>,
  packages: readonly PlacedPackage[],
  isWhole: () => boolean,
): void => {
  const draft = `${folder}${DRAFT}${process.pid}`;
  try {
    removeFile(draft);
    mkdirSync(draft, { recursive: true, mode: 0o700 });
    for (const { source, place } of packages) copyPackage(source, join(draft, place));
    for (const [path, contents] of files) writeSynced(join(draft, path), contents);
    if (existsSync(folder) && !isWhole()) removeRelease(folder);
    renameSync(draft, folder);
  } catch (error) {
    removeFile(draft);
    if (!isWhole()) throw error;
  }
};

/** Removes a release. It loses its name first, so that nobody takes one that is half there. */
export const removeRelease = (folder: string): void => {
  const removed = `${folder}${DRAFT}${process.pid}.removed`;
  renameSync(folder, removed);
  removeFile(removed);
};

const DRAFT = '.draft-';

/** The pid of the process that makes or removes a release under such a name; undefined for a release. */
export const draftPidOf = (name: string): number | undefined => {
  const [, pid] = /\.draft-(\d+)(\.removed)?$/.exec(name) ?? [];
  return pid === undefined ? undefined : Number(pid);
};

/** A power cut after the rename would otherwise leave empty files in a release that looks whole (fsync(2)). */
const writeSynced = (path: string, contents: string | Buffer): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
};

/**
 * Fills a folder with a package's files. The files of an installed package are linked: whatever installs or removes packages
 * makes new files, and does not write into old ones. A package that lies elsewhere (npm link) is somebody's work, and copied.
 */
const copyPackage = (source: string, target: string): void => {
  const put = source.split(sep).includes('node_modules') ? linkOrCopy : copyFile;
  const copyFolder = (from: string, to: string, skipped: readonly string[]): void => {
    mkdirSync(to, { recursive: true });
    for (const entry of readdirSync(from, { withFileTypes: true })) {
      const [path, copy] = [join(from, entry.name), join(to, entry.name)];
      if (skipped.includes(entry.name)) continue;
      if (entry.isDirectory()) copyFolder(path, copy, []);
      else if (entry.isFile()) put(path, copy);
      else if (entry.isSymbolicLink() && statSync(path, { throwIfNoEntry: false })?.isFile())
        copyFile(path, copy);
    }
  };
  copyFolder(source, target, ['node_modules', '.git']);
};

/** Copies where no link can be made: from another file system (EXDEV), of another user's file (EPERM), … (link(2)). */
const linkOrCopy = (path: string, link: string): void => {
  try {
    linkSync(path, link);
  } catch {
    copyFile(path, link);
  }
};

const copyFile = (path: string, copy: string): void => copyFileSync(path, copy, constants.COPYFILE_FICLONE);
