// `npm run build` makes dist/ from src/. Each program and each command is one file, with the small packages in it, and
// CommonJS: a proxy then starts sooner, and takes less memory, than with a file for each module (docs/decisions.md: ADR-0012).
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

/** The table of the commands; it loads a command's file with import() when the command runs. */
const TABLE = 'src/commands/table.ts';

/** The commands that the table loads, such as "commands/run/proxy". Each becomes a file of its own. */
const listCommands = () =>
  [...readFileSync(TABLE, 'utf8').matchAll(/import\('\.\/(.+)\.ts'\)/g)].map(
    ([, name]) => `commands/${name}`,
  );

/** Keeps the commands out of dist/cli.js, which has the table in it and lies one folder higher. */
const commandsApart = {
  name: 'commands apart',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\/.+\.ts$/ }, ({ path, importer, kind }) =>
      kind === 'dynamic-import' && importer.endsWith(TABLE)
        ? { path: path.replace(/^\.\/(.+)\.ts$/, './commands/$1.js'), external: true }
        : undefined,
    ),
};

/** esbuild's options for dist/, with paths from the project's root, where this must run. scripts/dev.js builds with them, too. */
export const makeBuildOptions = (outdir = 'dist') => ({
  entryPoints: {
    cli: 'src/cli.ts',
    'pm2/ecosystem': 'src/pm2/ecosystem.ts',
    ...Object.fromEntries(listCommands().map((name) => [name, `src/${name}.ts`])),
    // For scripts/demo.js.
    'system/lock': 'src/system/lock.ts',
    // The worker lies beside the commands that start it.
    'commands/run/worker': 'src/proxy/kernel/thread/worker.ts',
  },
  outdir,
  bundle: true,
  // Packages that a proxy never loads (nodemailer is loaded with the first e-mail), and koffi, which brings a library for each
  // system.
  external: ['koffi', 'nodemailer', 'pm2', 'prom-client'],
  plugins: [commandsApart],
  format: 'cjs',
  // A dynamic import() would load Node.js's ES module loader into every process.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': 'moduleUrl' },
  banner: { js: "'use strict'; const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
  platform: 'node',
  target: 'node20.19',
  logLevel: 'warning',
});

/** Builds beside dist/ and puts that in its place, so that whoever starts meanwhile finds the old build or the new one, and no part. */
const buildDist = async () => {
  const [draft, old] = [`dist.new-${process.pid}`, `dist.old-${process.pid}`];
  try {
    await build(makeBuildOptions(draft));
    rmSync(old, { recursive: true, force: true });
    if (existsSync('dist')) renameSync('dist', old);
    renameSync(draft, 'dist');
  } finally {
    for (const folder of [draft, old]) rmSync(folder, { recursive: true, force: true });
  }
};

if (import.meta.main ?? process.argv[1] === import.meta.filename) await buildDist();
