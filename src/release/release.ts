/**
 * The room release: the copy of the code and of its packages that PM2 runs. What runs then depends on no file of the
 * project, which an npm ci, a build or a move takes away for a while or for good (docs/decisions.md: ADR-0047).
 */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync, utimesSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from '../config/project-root.ts';
import { UsageError } from '../lib/usage-error.ts';
import { readText } from '../system/files.ts';
import { makeStateDir } from '../system/state-dir.ts';
import { writeRelease } from './draft.ts';
import { listPackages, type PlacedPackage } from './packages.ts';

/** A folder with dist/, ecosystem.config.js, package.json and node_modules/, which is never changed once it is there. */
export interface Release {
  readonly folder: string;
  /** What the release is made of: 16 hexadecimal digits, and in a release of STEADYPORT_HOME the folder's name. */
  readonly hash: string;
}

/** The folder of the releases in STEADYPORT_HOME. */
export const releasesFolder = (home: string): string => join(home, 'releases');

/** The hash of the release in a folder of {@link releasesFolder}; undefined for any other folder. */
export const releaseHashOf = (folder: string): string | undefined =>
  /\/releases\/([0-9a-f]{16})$/.exec(folder)?.[1];

/**
 * A folder with this file beside its ecosystem.config.js is a release, and runs where it is. It holds {"hash": "…"}. It is
 * empty in a folder that others take care of: .dev/ of npm run dev, or an image of a container, which does not change.
 */
const MARKER = 'release.json';

/**
 * The release of this code: the folder itself of a process that runs from a release, otherwise the one that
 * {@link makeRelease} makes, whether or not it is there.
 * @param home STEADYPORT_HOME
 * @throws UsageError when the project is not whole, as in the middle of an npm ci
 */
export const locateRelease = (home: string): Release => {
  const marked = readMarker(ROOT);
  if (marked !== undefined) return { folder: ROOT, hash: marked.hash ?? readProject(home).hash };
  const { hash } = readProject(home);
  const folder = join(releasesFolder(home), hash);
  return { folder: existsSync(folder) ? realpathSync.native(folder) : folder, hash };
};

/**
 * The same, and makes it unless it is there already, which takes some 40 ms to see. It is made whole under another
 * name and then renamed, so that several may make it at once.
 * @param home STEADYPORT_HOME
 * @throws UsageError when it cannot be made, as on a full disk; then nothing of it is left
 */
export const makeRelease = (home: string): Release => {
  if (readMarker(ROOT) !== undefined) return locateRelease(home);
  const project = readProject(home);
  const folder = join(releasesFolder(home), project.hash);
  makeStateDir(home);
  try {
    if (!isWhole(folder, project)) {
      const files = new Map([...project.files, [MARKER, JSON.stringify({ hash: project.hash })]]);
      writeRelease(folder, files, project.packages, () => isWhole(folder, project));
    }
    // Whoever removes old releases leaves one that was taken of late alone.
    utimesSync(folder, new Date(), new Date());
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(
      `the release, a copy of the code that PM2 runs, cannot be made in ${releasesFolder(home)}: ${message}; ` +
        'nothing was changed, and what runs goes on',
      { cause: error },
    );
  }
  return { folder: realpathSync.native(folder), hash: project.hash };
};

/** What a release is made of. */
interface Project {
  readonly hash: string;
  /** The contents of each file, by its path in the project. */
  readonly files: ReadonlyMap<string, string | Buffer>;
  readonly packages: readonly PlacedPackage[];
}

/** @throws UsageError when a part is missing */
const readProject = (home: string): Project => {
  try {
    const packages = listPackages(ROOT);
    const paths = ['ecosystem.config.js', 'package.json', ...listDist()];
    const files = new Map(paths.map((path) => [path, readFileSync(join(ROOT, path))]));
    const hash = createHash('sha256');
    for (const [path, contents] of files) hash.update(`${path}\0${contents.length}\0`).update(contents);
    hash.update(
      packages
        .map(({ name, version }) => `${name}@${version}\n`)
        .sort()
        .join(''),
    );
    return { hash: hash.digest('hex').slice(0, 16), files, packages };
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(
      `the release for ${releasesFolder(home)} cannot be made of ${ROOT}: ${message}; ` +
        'expected a project that is installed and built: npm ci',
      { cause: error },
    );
  }
};

/** The files of dist/, by their paths in the project. @throws when the build is not there */
const listDist = (): readonly string[] => {
  const entries = readdirSync(join(ROOT, 'dist'), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(ROOT, join(parentPath, name)))
    .sort();
};

/** Sees what the cleaner of a folder for temporary files may have taken, or a full disk cut: a file of ours, or a whole package. */
const isWhole = (folder: string, { hash, files, packages }: Project): boolean =>
  readMarker(folder)?.hash === hash &&
  [...files].every(([path, { length }]) => sizeOf(join(folder, path)) === length) &&
  packages.every(({ place }) => existsSync(join(folder, place, 'package.json')));

const sizeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.size;

/** Undefined in a folder that is no release. One that cannot be read is an empty one. */
const readMarker = (folder: string): { readonly hash?: string } | undefined => {
  const text = readText(join(folder, MARKER));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as { readonly hash?: string };
  } catch {
    return {};
  }
};
