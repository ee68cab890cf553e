import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readStateFile, writeStateFile } from '../../../src/system/state-file.ts';
import { tempFolder } from '../../support/temp-dir.ts';

interface State {
  readonly ports: object;
}
const read = (path: string) => readStateFile<State>(path, 3, ({ ports }) => typeof ports === 'object');

test('what was written is read again, without its version', () => {
  const path = join(tempFolder(), 'state.json');
  writeStateFile(path, 3, { ports: { 6274: 1 } });
  assert.deepEqual(read(path), { kind: 'ok', value: { ports: { 6274: 1 } } });
});

test('a file that is not there is missing, and one of another kind is unusable', () => {
  const folder = tempFolder();
  assert.deepEqual(read(join(folder, 'none.json')), { kind: 'missing' });
  const texts = [
    '',
    '{',
    'null',
    '[]',
    '{"version":2,"ports":{}}',
    '{"version":3,"ports":5}',
    '{"ports":{}}',
  ];
  for (const [at, text] of texts.entries()) {
    const path = join(folder, `${at}.json`);
    writeFileSync(path, text);
    assert.deepEqual(read(path), { kind: 'unusable' }, text);
  }
});

test("a write that fails throws the system's error", () => {
  const path = join(tempFolder(), 'folder');
  mkdirSync(path);
  assert.throws(() => writeStateFile(path, 3, { ports: {} }), { code: /EISDIR|ENOTEMPTY|EEXIST/ });
});
