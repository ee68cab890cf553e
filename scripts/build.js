// `npm run build`: src/ → dist/. Each program and each command is one file, the small packages in it, and CommonJS: a proxy
// then starts sooner, and takes less memory, than with a file for each module (docs/decisions.md: the build).
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { build } from 'esbuild';

const commands = readdirSync('src/commands').map((file) => basename(file, '.ts'));

/** A command is loaded when it runs. */
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
    'host/pm2-apps': 'src/host/pm2-apps.ts',
    ...Object.fromEntries(commands.map((name) => [`commands/${name}`, `src/commands/${name}.ts`])),
    // Beside those who start it.
    'commands/worker': 'src/proxy/kernel/worker.ts',
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
