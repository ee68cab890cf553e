import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  addTimestamps,
  type LogLine,
  lastLines,
  mergeLines,
  renderLines,
} from '../../../src/logging/merge.ts';

const out = { app: 'a', isError: false, isConnection: false };
const err = { app: 'b', isError: true, isConnection: false };
const at = (hour: number): number => Date.parse(`2026-11-22T${String(hour).padStart(2, '0')}:00:00`);
const line = (hour: number): string => `[2026-11-22 ${String(hour).padStart(2, '0')}:00:00] text`;
const texts = (lines: readonly LogLine[]): string[] => lines.map(({ text }) => text);

describe('a line is as old as its timestamp says', () => {
  const table: readonly [name: string, lines: readonly string[], hours: readonly number[]][] = [
    ['in local time', [line(3), line(4)], [3, 4]],
    ['in JSON', [`{"time":"${new Date(at(3)).toISOString()}","event":"open"}`], [3]],
    ['or, without one, as the line before it', [line(3), '    at f (x.js:1:1)', line(4)], [3, 3, 4]],
    ['or, at the beginning, as the first that has one', ['rest of a trace', line(3)], [3, 3]],
    ['or, with none anywhere, as the file', ['Error: x', '    at f'], [9, 9]],
    ['or, after the clock was set back, as the line before it', [line(5), line(4), line(6)], [5, 5, 6]],
    ['and a time that is none is none', ['[2026-13-45 99:99:99] x', '{"time":"never"}'], [9, 9]],
  ];
  for (const [name, lines, hours] of table)
    test(name, () =>
      assert.deepEqual(
        addTimestamps(lines, out, at(9)).map(({ writtenAt }) => writtenAt),
        hours.map(at),
      ),
    );
});

test('the lines of several files come in the order of time, those of one file in its own', () => {
  const merged = mergeLines([
    addTimestamps([line(1), line(4), line(3)], out, 0),
    addTimestamps(['Error: at two'], err, at(2)),
    addTimestamps([line(1), line(5)], err, 0),
  ]);
  assert.deepEqual(texts(merged), [line(1), line(1), 'Error: at two', line(4), line(3), line(5)]);
});

describe('of the last lines', () => {
  const lines = (kinds: string): readonly LogLine[] =>
    [...kinds].map((kind, index) => ({
      ...out,
      isConnection: kind === 'c',
      text: `${kind}${index}`,
      writtenAt: index,
    }));
  const table: readonly [name: string, kinds: string, maxLines: number, expected: string][] = [
    ['half are of connections where there are many', 'oooocccccc', 4, 'o2 o3 c8 c9'],
    ['half are others where there are many', 'ccccoooooo', 4, 'c2 c3 o8 o9'],
    ['more are of connections where there are few others', 'occcccccco', 6, 'o0 c5 c6 c7 c8 o9'],
    ['more are others where there are few connections', 'coooooo', 4, 'c0 o4 o5 o6'],
    ['an odd place is for the others', 'ococ', 3, 'o0 o2 c3'],
    ['the only one is of the others', 'oc', 1, 'o0'],
    ['all are there where there are few', 'oc', 20, 'o0 c1'],
    ['none is asked for', 'oc', 0, ''],
  ];
  for (const [name, kinds, maxLines, expected] of table)
    test(name, () => assert.equal(texts(lastLines(lines(kinds), maxLines)).join(' '), expected));
});

describe('for people', () => {
  const paint = {
    app: (text: string, index: number) => `${index}<${text}>`,
    bad: (text: string) => `!${text}!`,
  };
  const lines = mergeLines([
    addTimestamps([line(1)], out, 0),
    addTimestamps(['Error: x'], { ...err, app: 'long' }, at(2)),
  ]);

  test('the name of the app is in front, and what came by stderr is marked', () =>
    assert.equal(
      renderLines(lines, ['a', 'long'], paint),
      `0<a   >      | ${line(1)}\n1<long>  !err! | Error: x\n`,
    ));

  test('of one app the lines are as they were written', () =>
    assert.equal(renderLines(lines, ['a'], paint), `${line(1)}\n!err! | Error: x\n`));

  test('what an app has written reaches no terminal as a command', () =>
    assert.equal(
      renderLines(addTimestamps(['\x1b[2J\u202eabc\r\tx'], out, 0), ['a'], paint),
      '\\u001b[2J\\u202eabc\\u000d\tx\n',
    ));

  test('no line is no text', () => assert.equal(renderLines([], ['a', 'b'], paint), ''));
});
