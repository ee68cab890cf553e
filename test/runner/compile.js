import { spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync, rmSync } from 'node:fs';
import { context } from 'esbuild';

export const BUILD = '.test-build';

/** The folders of src/ and test/ that have sources in them. test/peers has thousands of folders of packages. */
const sourceFolders = () => [
  'src',
  ...readdirSync('test', { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'peers')
    .map(({ name }) => `test/${name}`),
];

const listSources = () =>
  sourceFolders().flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => `${folder}/${path}`),
  );

/** Keeps each module a file of its own: nothing is bundled, and `./a.ts` is imported as `./a.js`. */
const modulesApart = {
  name: 'modules apart',
  setup: ({ onResolve }) =>
    onResolve({ filter: /.*/ }, ({ path, kind }) =>
      kind === 'entry-point'
        ? undefined
        : { path: path.startsWith('.') ? path.replace(/\.ts$/, '.js') : path, external: true },
    ),
};

const createContext = () =>
  context({
    entryPoints: listSources(),
    absWorkingDir: process.cwd(),
    outdir: BUILD,
    outbase: '.',
    bundle: true,
    treeShaking: false,
    plugins: [modulesApart],
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'warning',
  });

/**
 * Compiles src/ and test/, a module a file. Types are not checked: `npm run check` does that.
 * @returns false when a file has a mistake, such as a syntax error, which esbuild has printed
 */
export const compile = async () => {
  rmSync(BUILD, { recursive: true, force: true });
  const esbuild = await createContext();
  try {
    await esbuild.rebuild();
  } catch (error) {
    if (error.errors === undefined) throw error;
    return false;
  } finally {
    await esbuild.dispose();
  }
  copyFileSync('src/package.json', `${BUILD}/package.json`);
  return true;
};

/** Makes dist/. @returns false when that fails; why is printed then */
export const buildDist = () =>
  spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' }).status === 0;

/** The test files, such as "unit/lib/address.test.ts", in the order of their names. */
export const listTests = () =>
  listSources()
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => path.replace(/^test\//, ''))
    .sort();
