import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { requireConfig } from '../../../src/config/load.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** True when this process has loaded the package. Each file of tests is a process of its own. */
const hasLoaded = (name: string): boolean =>
  Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes(`/node_modules/${name}/`));

test('jsonc-parser is loaded for a broken config, and not for one with comments, which every proxy reads', () => {
  const path = join(tempFolder(), 'steadyport.json');
  const entry = '{ "listen": "6274", "upstream": "localhost:6274", }';
  writeFileSync(path, `\ufeff{ "proxies": [${entry}], } // the ports\n`);
  assert.equal(requireConfig(path).config.proxies.length, 1);
  assert.equal(hasLoaded('jsonc-parser'), false);
  writeFileSync(path, `{ "proxies": [${entry},,] }`);
  assert.throws(() => requireConfig(path), /line 1 column \d+/);
  assert.equal(hasLoaded('jsonc-parser'), true);
});
