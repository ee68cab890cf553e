import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';

/** These tests prove that `npm run check` finds mistakes: they plant mistakes in a copy of the project. */
interface Floor {
  readonly room: string;
  readonly isPure: boolean;
  readonly packages: readonly string[];
}
const script = (name: string): string => pathToFileURL(join(process.cwd(), 'scripts', name)).href;
const { FLOORS, PURE_FOLDERS } = (await import(script('floors.js'))) as {
  readonly FLOORS: readonly Floor[];
  readonly PURE_FOLDERS: readonly { readonly room: string; readonly folder: string }[];
};
const PACKAGES = Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies);
const SOURCES = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => `src/${path}`);

test('every folder of src/ is a floor', () => {
  const rooms = SOURCES.filter((path) => dirname(path) !== 'src').map((path) => path.split('/')[1] ?? '');
  const floors = FLOORS.map(({ room }) => room);
  const unknown = new Set(rooms.filter((room) => !floors.includes(room)));
  assert.deepEqual([...unknown], []);
});

test('a folder of src/ has at most 13 files', () => {
  const folders = SOURCES.map((path) => dirname(path));
  const crowded = folders.filter((folder, index) => index === folders.indexOf(folder) + 13);
  assert.deepEqual(crowded, []);
});

const COPIED = ['src', 'scripts', 'biome.json', 'biome.floors.json', 'knip.json', 'package.json'];
const CONFIG = ['tsconfig.json', 'ecosystem.config.js', 'steadyport.json', 'dist', '.gitignore'];
let copy = '';
/** The violations of Biome's rules in the copy. */
let violations: readonly { readonly path: string; readonly line: number; readonly rule: string }[] = [];

/** Writes a file of these lines into the copy. */
const plant = (path: string, lines: readonly string[]): void =>
  writeFileSync(join(copy, path), lines.map((line) => `${line}\n`).join(''));
const brokenIn = (path: string, rule: string): readonly number[] =>
  violations
    .filter((violation) => violation.path === path && violation.rule === rule)
    .map(({ line }) => line)
    .toSorted((a, b) => a - b);
const run = (...args: readonly string[]): string => {
  const { stdout, stderr } = spawnSync('npx', args, { cwd: copy, encoding: 'utf8', maxBuffer: 1e8 });
  return stdout + stderr;
};

/** The folders of a room that the room's rules apply to, one for each depth. */
const foldersOf = (room: string): readonly string[] => {
  const isPure = (path: string): boolean =>
    PURE_FOLDERS.some((pure) => path === `src/${pure.room}/${pure.folder}`);
  const folders = SOURCES.map((path) => dirname(path)).filter((path) =>
    `${path}/`.startsWith(`src/${room}/`),
  );
  return [
    ...new Map(
      folders.filter((path) => !isPure(path)).map((folder) => [folder.split('/').length, folder]),
    ).values(),
  ];
};
/** The imports that a room is allowed, and those that it is not. */
const importsOf = (level: number, folder: string, isPure: boolean) => {
  const to = (rooms: readonly string[]): string[] =>
    rooms
      .map((room) => relative(folder, `src/${room}/any.ts`))
      .map((path) => (path.startsWith('.') ? path : `./${path}`));
  const rooms = FLOORS.map(({ room }) => room);
  const own = FLOORS[level]?.packages ?? [];
  return {
    allowed: [...to(rooms.slice(0, level + 1)), ...own, ...(isPure ? [] : ['node:fs'])],
    forbidden: [
      ...to(rooms.slice(level + 1)),
      relative(folder, 'src/cli.ts'),
      ...PACKAGES.filter((name) => !own.includes(name)),
      ...(isPure ? ['node:fs'] : []),
    ],
  };
};
const PLACES = FLOORS.flatMap(({ room, isPure }, level) => [
  ...foldersOf(room).map((folder) => ({ folder, level, isPure })),
  ...PURE_FOLDERS.filter((pure) => pure.room === room).map((pure) => ({
    folder: `src/${room}/${pure.folder}`,
    level,
    isPure: true,
  })),
]);

before(() => {
  copy = mkdtempSync(join(tmpdir(), 'steadyport-check-'));
  for (const name of [...COPIED, ...CONFIG]) cpSync(name, join(copy, name), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));
  spawnSync('git', ['init', '--quiet'], { cwd: copy });
  for (const { folder, level, isPure } of PLACES) {
    const { allowed, forbidden } = importsOf(level, folder, isPure);
    plant(
      `${folder}/planted.ts`,
      [...allowed, ...forbidden].map((name) => `export * from '${name}';`),
    );
  }
  plant('src/lib/one.ts', ["import { b } from './other.ts';", 'export const a = () => b;']);
  plant('src/lib/other.ts', ["import { a } from './one.ts';", 'export const b = () => a;']);
  plant('src/system/environment.ts', ["export const home = process.env['HOME'];"]);
  appendFileSync(join(copy, 'src/lib/did-you-mean.ts'), '\nexport const PLANTED = 1;\n');
  const report = JSON.parse(
    run('biome', 'lint', '--reporter=json', '--max-diagnostics=none').split('\n')[0] ?? '',
  );
  violations = report.diagnostics.map(
    (diagnostic: { category: string; location: { path: string; start: { line: number } } }) => ({
      path: diagnostic.location.path,
      line: diagnostic.location.start.line,
      rule: diagnostic.category.split('/').at(-1) ?? '',
    }),
  );
});
after(() => rmSync(copy, { recursive: true, force: true }));

for (const { folder, level, isPure } of PLACES)
  test(`${folder} may import what lies below it and its own packages, and nothing else`, () => {
    const { allowed, forbidden } = importsOf(level, folder, isPure);
    const lines = forbidden.map((_, index) => allowed.length + index + 1);
    assert.deepEqual(brokenIn(`${folder}/planted.ts`, 'noRestrictedImports'), lines);
  });

test('imports in a circle fail the check', () => {
  assert.equal(brokenIn('src/lib/one.ts', 'noImportCycles').length, 1);
});

test('process.env outside of the settings fails the check', () => {
  assert.deepEqual(brokenIn('src/system/environment.ts', 'noProcessEnv'), [1]);
});

test('an export that nobody uses fails the check', () => {
  assert.match(run('knip', '--include=exports'), /PLANTED/);
});
