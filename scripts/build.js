// `npm run build`: src/ → dist/. Each program and each command is one file: a proxy then starts sooner, and takes less
// memory, than with a file for each module (docs/decisions.md: the build).
import { copyFileSync, readdirSync } from 'node:fs';
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
  packages: 'external',
  plugins: [loadedLater],
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  logLevel: 'warning',
});
copyFileSync('src/package.json', 'dist/package.json');
