import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { transformSync } from 'esbuild';

const { MUTANTS } = (await import(pathToFileURL(join(process.cwd(), 'test/mutants/table.js')).href)) as {
  MUTANTS: readonly { readonly file: string; readonly find: string; readonly replace: string }[];
};

test('each fault of npm run verify -- mutants is found once in its file, and compiles', () => {
  assert.ok(MUTANTS.length >= 60);
  for (const { file, find, replace } of MUTANTS) {
    const source = readFileSync(file, 'utf8');
    assert.equal(source.split(find).length - 1, 1, `${file}: ${find}`);
    const faulty = source.replace(find, () => replace);
    assert.doesNotThrow(() => transformSync(faulty, { loader: 'ts', sourcefile: file }), file);
  }
});
