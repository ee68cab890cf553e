import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** One package that the project runs with, and its place in a release. */
export interface PlacedPackage {
  readonly name: string;
  readonly version: string;
  /** The real path of the package's folder. */
  readonly source: string;
  /** The path in the release, such as "node_modules/pm2" or "node_modules/@pm2/io/node_modules/async". */
  readonly place: string;
}

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * Lists the packages that the project needs to run: its dependencies and theirs, without peers. Node.js finds the same
 * package in the place that is given here as where it is installed, whichever way that is: beside the project (npm ci), as
 * its siblings (npx, npm install --global), or behind symbolic links (pnpm, npm link). A package lies at the top where its
 * name is free there, otherwise beside the package that needs it. An optional package that is not installed is left out.
 * @param root the project's folder
 * @throws an error that names a package that is not installed, or only in part
 */
export const listPackages = (root: string): readonly PlacedPackage[] => {
  const manifests = new Map<string, Manifest>();
  const placed = new Map<string, PlacedPackage>();
  // Level by level: nothing is put between a package and one that it has found already.
  const queue = [{ source: realpathSync.native(root), place: '' }];
  for (const { source, place } of queue) {
    const { dependencies, optionalDependencies = {} } = manifests.get(source) ?? readManifest(source);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = findPackage(name, source, manifests);
      if (found === undefined) {
        if (name in optionalDependencies) continue;
        throw new Error(`the package ${name}, which ${source} needs, is not installed`);
      }
      const visible = findPlaced(name, place, placed);
      if (visible?.source === found) continue;
      const target = join(visible === undefined ? '' : place, 'node_modules', name);
      const version = manifests.get(found)?.version ?? '';
      const placedPackage = { name, version, source: found, place: target };
      placed.set(target, placedPackage);
      queue.push(placedPackage);
    }
  }
  return [...placed.values()];
};

const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

/**
 * Finds a package as Node.js does (https://nodejs.org/api/modules.html#loading-from-node_modules-folders).
 * @param manifests gets the manifest of the package that is found
 * @returns the real path of its folder; undefined when it is not installed
 */
const findPackage = (name: string, from: string, manifests: Map<string, Manifest>): string | undefined => {
  for (const folder of ancestorsOf(from)) {
    const path = join(folder, 'node_modules', name);
    // A package without its package.json is being installed.
    if (!existsSync(join(path, 'package.json'))) continue;
    const found = realpathSync.native(path);
    if (!manifests.has(found)) manifests.set(found, readManifest(found));
    return found;
  }
  return undefined;
};

/** The package of that name that Node.js would find in the release, from a place in it. */
const findPlaced = (
  name: string,
  place: string,
  placed: ReadonlyMap<string, PlacedPackage>,
): PlacedPackage | undefined => {
  for (const folder of ancestorsOf(place)) {
    const found = placed.get(join(folder === '.' ? '' : folder, 'node_modules', name));
    if (found) return found;
  }
  return undefined;
};

/** The folder and those above it, without the node_modules folders themselves. */
const ancestorsOf = (folder: string): readonly string[] => {
  const parent = dirname(folder);
  const above = parent === folder ? [] : ancestorsOf(parent);
  return basename(folder) === 'node_modules' ? above : [folder, ...above];
};
