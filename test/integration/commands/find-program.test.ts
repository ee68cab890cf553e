import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findProgram } from '../../../src/commands/service/start/find-program.ts';
import { tempFolder } from '../../support/temp-dir.ts';

test('a program is the first of its name on the PATH that can be run, without links', () => {
  const root = realpathSync(tempFolder());
  const path = (...names: readonly string[]): string => join(root, ...names);
  for (const folder of ['a', 'b', 'c', 'd/tool']) mkdirSync(path(folder), { recursive: true });
  writeFileSync(path('a/tool'), '', { mode: 0o644 });
  writeFileSync(path('b/real'), '', { mode: 0o755 });
  symlinkSync('real', path('b/tool'));
  writeFileSync(path('c/tool'), '', { mode: 0o755 });
  const searchPath = ['/nowhere', 'd', 'b', 'c'].map((folder) => path(folder)).join(':');
  assert.equal(findProgram('tool', searchPath), path('b/real'));
  assert.equal(findProgram('tool', path('c')), path('c/tool'));
  assert.equal(findProgram('tool', `${path('d')}:`), undefined);
  assert.equal(findProgram(path('b/tool'), ''), path('b/real'));
  assert.equal(findProgram(path('none'), path('b')), undefined);
});
