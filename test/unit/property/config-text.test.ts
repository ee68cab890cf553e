import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ParseError, parse } from 'jsonc-parser';
import { parseConfigText } from '../../../src/config/config-text.ts';

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '"a"',
  '"/*"',
  '\\',
  '1',
  'null',
  ' ',
  '\n',
  '//',
  '/*',
  '*/',
  '/',
  '*',
];

test('what is read without jsonc-parser is what jsonc-parser reads, and what it refuses is refused', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }), (pieces) => {
      const text = pieces.join('');
      const errors: ParseError[] = [];
      const value: unknown = parse(text, errors, { allowTrailingComma: true });
      const result = parseConfigText(text);
      if (result.ok) assert.deepEqual([result.value, errors], [value, []]);
      else if (errors.length === 0) assert.match(result.problems.join(), /^expected ".*" once/s);
    }),
    { numRuns: 3_000 },
  );
});
