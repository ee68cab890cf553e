// `npm run build`: src/ → dist/. Each program and each command is one file, the small packages in it, and CommonJS: a proxy
// then starts sooner, and takes less memory, than with a file for each module (docs/decisions.md: the build).
import { readFileSync } from 'node:fs';
import { build } from 'esbuild';

/** The commands that src/cli.ts knows. Each is loaded when it runs, so each is a file of its own. */
const commands = [...readFileSync('src/cli.ts', 'utf8').matchAll(/import\('\.\/(commands\/.+)\.ts'\)/g)].map(
  ([, name]) => name,
);

const loadedLater = {
  name: 'loaded later',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\/commands\// }, ({ path }) => ({
      path: path.replace(/ts$/, 'js'),
      external: true,
    })),
};

await build({
  entryPoints: {
    cli: 'src/cli.ts',
    'pm2/ecosystem': 'src/pm2/ecosystem.ts',
    ...Object.fromEntries(commands.map((name) => [name, `src/${name}.ts`])),
    // Beside the commands that start it.
    'commands/run/worker': 'src/proxy/kernel/thread/worker.ts',
  },
  outdir: 'dist',
  bundle: true,
  // What a proxy never loads, and what brings a library for the system.
  external: ['koffi', 'pm2', 'prom-client'],
  plugins: [loadedLater],
  format: 'cjs',
  // Else import() would bring Node.js's loader of modules along.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': 'moduleUrl' },
  banner: { js: "'use strict'; const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
  platform: 'node',
  target: 'node20.19',
  logLevel: 'warning',
});
