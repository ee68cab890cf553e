import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from 'esbuild';

/** All that is loaded with a file, without what it loads only when it needs it. Paths are from the project's folder. */
const loadedWith = async (entry: string): Promise<readonly string[]> => {
  const { metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    external: ['koffi', 'nodemailer', 'pm2', 'prom-client'],
    logLevel: 'silent',
  });
  const loaded = new Set([entry]);
  for (const path of loaded)
    for (const { path: imported, kind, external } of metafile.inputs[path]?.imports ?? [])
      if (kind === 'import-statement' && !(external && imported.startsWith('node:'))) loaded.add(imported);
  return [...loaded];
};

test('a proxy under PM2 loads no package, no schema, and nothing that reads .env (ADR-0050)', async () => {
  const loaded = await loadedWith('src/commands/run/run.ts');
  assert.ok(loaded.includes('src/proxy/proxy.ts'));
  assert.deepEqual(
    loaded.filter((path) => !path.startsWith('src/') || /\/(schema|settings|record)\.ts$/.test(path)),
    [],
  );
});
