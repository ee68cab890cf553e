import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { writeRelease } from '../../../src/release/draft.ts';
import { listPackages } from '../../../src/release/packages.ts';
import { tempFolder } from '../../support/temp-dir.ts';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

/** @param needs the names of its dependencies */
const addPackage = (folder: string, id: string, needs: readonly string[] = [], more: object = {}): void => {
  const at = id.lastIndexOf('@');
  const dependencies = Object.fromEntries(needs.map((name) => [name, '*']));
  const manifest = { name: id.slice(0, at), version: id.slice(at + 1), dependencies, ...more };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'index.js'), '');
};

/** What Node.js finds for each dependency, from the root on: "a@1 > b@2". */
const edgesOf = (root: string): readonly string[] => {
  const edges = new Set<string>();
  const visited = new Set<string>();
  const visit = (folder: string): void => {
    if (visited.has(folder)) return;
    visited.add(folder);
    const { name, version, dependencies, optionalDependencies } = readManifest(folder);
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = resolve(folder, needed);
      if (found === undefined) continue;
      const manifest = readManifest(found);
      edges.add(`${name}@${version} > ${manifest.name}@${manifest.version}`);
      visit(found);
    }
  };
  visit(realpathSync(root));
  return [...edges].sort();
};

const resolve = (folder: string, name: string): string | undefined => {
  const paths = createRequire(join(folder, 'package.json')).resolve.paths(name) ?? [];
  const found = paths.map((path) => join(path, name)).find((path) => existsSync(join(path, 'package.json')));
  return found === undefined ? undefined : realpathSync(found);
};

/** Makes a release of the packages of a project. */
const release = (root: string): string => {
  const folder = join(tempFolder(), 'release');
  const files = new Map([['package.json', readFileSync(join(root, 'package.json'))]]);
  writeRelease(folder, files, listPackages(root), () => false);
  return folder;
};

const LAYOUTS: Readonly<Record<string, (folder: string) => string>> = {
  'npm ci: at the top, and nested where the versions differ': (folder) => {
    const inTop = (path: string): string => join(folder, 'node_modules', path);
    addPackage(folder, 'steadyport@1', ['a', 'b', '@s/c']);
    addPackage(inTop('a'), 'a@1', ['d', 'b']);
    addPackage(inTop('b'), 'b@1', ['d']);
    addPackage(inTop('b/node_modules/d'), 'd@2', ['e']);
    addPackage(inTop('b/node_modules/e'), 'e@2', ['d']);
    addPackage(inTop('d'), 'd@1', ['e']);
    addPackage(inTop('e'), 'e@1', ['a']);
    addPackage(inTop('@s/c'), '@s/c@1', ['e', '@s/f']);
    addPackage(inTop('@s/c/node_modules/e'), 'e@3');
    addPackage(inTop('@s/f'), '@s/f@1', ['e']);
    return folder;
  },
  'npx and npm install --global: the packages are its siblings': (folder) => {
    const inTop = (path: string): string => join(folder, 'node_modules', path);
    addPackage(inTop('steadyport'), 'steadyport@1', ['a', 'b']);
    addPackage(inTop('steadyport/node_modules/b'), 'b@2', ['c']);
    addPackage(inTop('a'), 'a@1', ['b']);
    addPackage(inTop('b'), 'b@1');
    addPackage(inTop('c'), 'c@1');
    return inTop('steadyport');
  },
  'pnpm: symbolic links into a store': (folder) => {
    const inStore = (id: string, name: string): string =>
      join(folder, 'node_modules/.pnpm', id, 'node_modules', name);
    const link = (target: string, path: string): void => {
      mkdirSync(dirname(path), { recursive: true });
      symlinkSync(target, path);
    };
    addPackage(folder, 'steadyport@1', ['a', 'b']);
    addPackage(inStore('a@1', 'a'), 'a@1', ['b']);
    addPackage(inStore('b@1', 'b'), 'b@1', ['a']);
    addPackage(inStore('b@2', 'b'), 'b@2');
    link(inStore('a@1', 'a'), join(folder, 'node_modules/a'));
    link(inStore('b@2', 'b'), join(folder, 'node_modules/b'));
    link(inStore('b@1', 'b'), inStore('a@1', 'b'));
    link(inStore('a@1', 'a'), inStore('b@1', 'a'));
    return folder;
  },
  'npm link: a package that lies elsewhere, with packages of its own': (folder) => {
    addPackage(join(folder, 'project'), 'steadyport@1', ['a', 'b']);
    addPackage(join(folder, 'project/node_modules/b'), 'b@1');
    addPackage(join(folder, 'work/a'), 'a@1', ['b']);
    addPackage(join(folder, 'work/a/node_modules/b'), 'b@2');
    symlinkSync(join(folder, 'work/a'), join(folder, 'project/node_modules/a'));
    return join(folder, 'project');
  },
};

for (const [layout, make] of Object.entries(LAYOUTS))
  test(`in a release Node.js finds the same packages: ${layout}`, () => {
    const root = make(tempFolder());
    const edges = edgesOf(root);
    assert.ok(edges.length >= 3);
    assert.deepEqual(edgesOf(release(root)), edges);
  });

test("in a release Node.js finds the same packages: this project's own", () => {
  const root = process.cwd();
  const made = release(root);
  assert.deepEqual(edgesOf(made), edgesOf(root));
  assert.equal(existsSync(join(made, 'node_modules/typescript')), false);
});

test('a package that is needed and not there is an error, an optional one is none, and a peer is left out', () => {
  const folder = tempFolder();
  const more = { optionalDependencies: { away: '*' }, peerDependencies: { peer: '*' } };
  addPackage(folder, 'steadyport@1', ['a'], more);
  addPackage(join(folder, 'node_modules/peer'), 'peer@1');
  assert.throws(() => listPackages(folder), /^Error: the package a, which .* needs, is not installed$/);
  // npm ci has made the folder, and not yet what is in it.
  mkdirSync(join(folder, 'node_modules/a'));
  assert.throws(() => listPackages(folder), /the package a,/);
  addPackage(join(folder, 'node_modules/a'), 'a@1');
  assert.deepEqual(
    listPackages(folder).map(({ name }) => name),
    ['a'],
  );
});

test('an installed package is linked, and one that somebody works on is copied', () => {
  const folder = tempFolder();
  addPackage(join(folder, 'project'), 'steadyport@1', ['a', 'b']);
  addPackage(join(folder, 'project/node_modules/b'), 'b@1');
  addPackage(join(folder, 'work/a'), 'a@1');
  symlinkSync(join(folder, 'work/a'), join(folder, 'project/node_modules/a'));
  const made = release(join(folder, 'project'));
  writeFileSync(join(folder, 'work/a/index.js'), 'changed');
  assert.equal(readFileSync(join(made, 'node_modules/a/index.js'), 'utf8'), '');
  writeFileSync(join(folder, 'project/node_modules/b/index.js'), 'the same file');
  assert.equal(readFileSync(join(made, 'node_modules/b/index.js'), 'utf8'), 'the same file');
});
