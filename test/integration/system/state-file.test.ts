import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as v from 'valibot';
import { count, fields, listOf, recordOf, text } from '../../../src/lib/stored-fields.ts';
import { eachEntry, openStateFile, readStateFile, writeStateFile } from '../../../src/system/state-file.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const FORMAT = {
  version: 3,
  schema: fields({
    total: count,
    ports: recordOf(fields({ up: count, down: count }), text),
    names: recordOf(fields({ first: text, last: text }), text),
    list: listOf(fields({ at: count, note: v.optional(text, '') })),
  }),
  initial: { total: 0, ports: eachEntry({ up: 1, down: 2 }), names: {}, list: [] },
};
const VALUE = {
  total: 9,
  ports: { a: { up: 3, down: 4 } },
  names: { b: { first: 'x', last: 'y' } },
  list: [{ at: 5, note: '' }],
};

const fileWith = (content: object): string => {
  const path = join(tempFolder(), 'state.json');
  writeFileSync(path, JSON.stringify({ version: 3, ...content }));
  return path;
};

test('what was written is read again, without its version', () => {
  const path = join(tempFolder(), 'state.json');
  writeStateFile(path, 3, VALUE);
  assert.deepEqual(readStateFile(path, FORMAT), { kind: 'ok', value: VALUE, problems: [] });
});

test('a file that is not there is missing, and nothing is made of it', () => {
  const path = join(tempFolder(), 'none.json');
  const { kind, value } = readStateFile(path, FORMAT);
  assert.deepEqual([kind, value], ['missing', { total: 0, ports: {}, names: {}, list: [] }]);
  openStateFile(path, FORMAT, assert.fail);
  assert.equal(existsSync(path), false);
});

test('what an earlier version did not store is filled in, without a word', () => {
  const path = fileWith({ ports: { a: { up: 3 } }, list: [{ at: 5 }] });
  assert.deepEqual(openStateFile(path, FORMAT, assert.fail), {
    total: 0,
    ports: { a: { up: 3, down: 2 } },
    names: {},
    list: [{ at: 5, note: '' }],
  });
});

test('each problem is named by its path, with the value and what would be right', () => {
  const { kind, value, problems } = readStateFile(
    fileWith({
      ...VALUE,
      total: -1,
      ports: { a: { up: 'many', down: 4 }, c: 5 },
      names: { b: VALUE.names.b, d: { first: 'x' } },
      list: [{ at: null }, { at: 5 }],
    }),
    FORMAT,
  );
  assert.deepEqual(
    [kind, value],
    ['repaired', { ...VALUE, total: 0, ports: { a: { up: 1, down: 4 }, c: { up: 1, down: 2 } } }],
  );
  assert.deepEqual(problems, [
    'total is -1: expected a number from 0',
    'ports.a.up is "many": expected a number from 0',
    'ports.c is 5: expected an object',
    'names.d.last is missing: expected a value',
    'list[0].at is null: expected a number from 0',
  ]);
});

test('a file of a later version is put aside as it is, not overwritten', () => {
  const path = fileWith({ ...VALUE, version: 4 });
  const before = readFileSync(path, 'utf8');
  const lines: string[] = [];
  assert.equal(openStateFile(path, FORMAT, (line) => lines.push(line)).total, 0);
  assert.match(
    lines.join(),
    /state\.json cannot be used, and begins anew: version is 4: expected 3\. The file/,
  );
  writeStateFile(path, 3, VALUE);
  const [aside] = readdirSync(join(path, '..')).filter((name) => name.includes('.bad-'));
  assert.equal(readFileSync(join(path, '..', aside ?? ''), 'utf8'), before);
});

test('the log names five problems and counts the rest', () => {
  const list = Array.from({ length: 8 }, () => 5);
  const lines: string[] = [];
  openStateFile(fileWith({ ...VALUE, list }), FORMAT, (line) => lines.push(line));
  assert.match(lines.join(), /list\[4\] is 5: expected an object; and 3 more\. /);
});

test('of the files that were put aside the last five are kept', () => {
  const path = fileWith({});
  const folder = join(path, '..');
  for (let day = 1; day < 8; day += 1) writeFileSync(`${path}.bad-2026010${day}T000000Z`, '');
  for (let again = 0; again < 3; again += 1) {
    writeFileSync(path, 'no JSON');
    openStateFile(path, FORMAT, () => {});
  }
  const names = readdirSync(folder).sort();
  assert.equal(names.length, 5);
  assert.deepEqual(names.slice(0, 2), ['state.json.bad-20260106T000000Z', 'state.json.bad-20260107T000000Z']);
});

test('a folder in the place of the file is put aside, and removed with what is in it when it is the oldest', () => {
  const path = join(tempFolder(), 'state.json');
  const folder = join(path, '..');
  mkdirSync(path);
  writeFileSync(join(path, 'content'), '');
  const lines: string[] = [];
  const open = () => openStateFile(path, FORMAT, (line) => lines.push(line));
  open();
  for (let day = 1; day < 7; day += 1) writeFileSync(`${path}.bad-2099010${day}T000000Z`, '');
  writeFileSync(path, 'no JSON');
  open();
  assert.deepEqual(
    readdirSync(folder).sort(),
    [2, 3, 4, 5, 6].map((day) => `state.json.bad-2099010${day}T000000Z`),
  );
  for (const line of lines) assert.match(line, /The file as it was: \S+$/);
});

test('a file that cannot be put aside is said so, and does not stop the reader', () => {
  const file = fileWith({});
  const lines: string[] = [];
  const value = openStateFile(join(file, 'state.json'), FORMAT, (line) => lines.push(line));
  assert.equal(value.total, 0);
  assert.match(lines.join(), /ENOTDIR.*could not be put aside: ENOTDIR/);
});

test("a write that fails throws the system's error", () => {
  const path = join(tempFolder(), 'folder');
  mkdirSync(path);
  assert.throws(() => writeStateFile(path, 3, { ports: {} }), { code: /EISDIR|ENOTEMPTY|EEXIST/ });
});

test('a file that would be too large to be read is not written', () => {
  const path = fileWith(VALUE);
  assert.throws(() => writeStateFile(path, 3, { text: 'x'.repeat(33_554_432) }), /more than 33554432 bytes/);
  assert.equal(readStateFile(path, FORMAT).kind, 'ok');
});
