import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addTimestamps, type LogLine, mergeLines, renderLines } from '../../../src/logging/merge.ts';

const out = { app: 'a', isError: false };
const err = { app: 'b', isError: true };
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
