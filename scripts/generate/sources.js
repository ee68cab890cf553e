import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compileFunction } from 'node:vm';
import { buildSync } from 'esbuild';

export const ROOT = join(import.meta.dirname, '../..');

/** @returns the text of a file of the project; '' when it does not exist */
export const readProjectFile = (path) => {
  try {
    return readFileSync(join(ROOT, path), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return '';
    throw error;
  }
};

/**
 * Loads a TypeScript module of the project, compiled in memory, so that `npm run generate` needs no build before it.
 * @param path from the project's root, such as "src/health/decision-table.ts"
 * @returns what the module exports
 */
export const loadSource = (path) => {
  const file = join(ROOT, path);
  const { outputFiles } = buildSync({
    entryPoints: [file],
    bundle: true,
    packages: 'external',
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(file).href) },
    write: false,
    logLevel: 'warning',
  });
  const module = { exports: {} };
  const code = compileFunction(outputFiles[0].text, ['module', 'require'], { filename: file });
  code(module, createRequire(file));
  return module.exports;
};
