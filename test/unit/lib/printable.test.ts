import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isPrintable, printable } from '../../../src/lib/printable.ts';

describe('a control character becomes its escape', () => {
  const table: Readonly<Record<string, [text: string, expected: string]>> = {
    'line ends': ['a\nb\r\u2028c\u2029\u0085', 'a\\u000ab\\u000d\\u2028c\\u2029\\u0085'],
    'a terminal escape, of seven bits and of eight': [
      '\x1b[2J\x9b2J\x1b]0;x\x07',
      '\\u001b[2J\\u009b2J\\u001b]0;x\\u0007',
    ],
    'NUL, backspace and DEL': ['\0\b\x7f', '\\u0000\\u0008\\u007f'],
    'bidirectional controls': ['\u202eabc\u2066\u200f\u061c', '\\u202eabc\\u2066\\u200f\\u061c'],
  };
  for (const [name, [text, expected]] of Object.entries(table))
    test(name, () => {
      assert.equal(printable(text), expected);
      assert.equal(isPrintable(text), false);
    });
});

describe('any other text stays as it is', () => {
  for (const text of ['', 'a\tb ~', 'Grüße, 日本語', '👩‍💻 e\u0301', 'שלום', '\\u001b'])
    test(JSON.stringify(text), () => {
      assert.equal(printable(text), text);
      assert.equal(isPrintable(text), true);
    });
});

test('a text that is too long is cut', () => {
  assert.equal(printable('abcde', 5), 'abcde');
  assert.equal(printable('abcdef', 5), 'abcd…');
  assert.equal(printable('\n'.repeat(6), 2), '\\u000a…');
});
