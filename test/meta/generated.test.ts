import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

/** Tests run in the project's root. */
const { generate } = (await import(pathToFileURL(join(process.cwd(), 'scripts/generate.js')).href)) as {
  readonly generate: () => readonly {
    readonly path: string;
    readonly present: string;
    readonly made: string;
  }[];
};

for (const { path, present, made } of generate())
  test(`${path} is what the code makes of it`, () => {
    assert.equal(present, made, 'it is out of date; run: npm run generate');
  });
