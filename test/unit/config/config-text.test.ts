import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import { parseConfigText } from '../../../src/config/config-text.ts';
import { INVALID_CONFIGS } from '../../fixtures/invalid-configs.ts';

describe('a config file is JSON as editors write it', () => {
  const table: Readonly<Record<string, [text: string, value: unknown]>> = {
    'plain JSON': ['{"a": [1, {"b": null}]}', { a: [1, { b: null }] }],
    'a byte order mark': ['\ufeff{"a": 1}', { a: 1 }],
    'comments and trailing commas': [
      '\ufeff// one\n{\n  "a": 1, /* two */\n  "b": [1, 2,],\n}\n',
      { a: 1, b: [1, 2] },
    ],
    'texts that look like comments, keys and commas': [
      '{"a": "// \\" \\\\", "b:": "/* ,} \\"a\\": 1 */"}',
      { a: '// " \\', 'b:': '/* ,} "a": 1 */' },
    ],
    'one key in several objects': ['[{"a": {"a": 1}}, {"a": 2}]', [{ a: { a: 1 } }, { a: 2 }]],
    'a key whose text has a colon and quotes': ['{"a\\":": 1, "a": 2,}', { 'a":': 1, a: 2 }],
  };
  for (const [name, [text, value]] of Object.entries(table))
    test(name, () => assert.deepEqual(parseConfigText(text), { ok: true, value }));
});

describe('any other text is refused with the line', () => {
  const protoProblem = (line: number): string => `unknown key "__proto__" (line ${line})`;
  const deep = 'expected at most 100 lists and objects within each other (line 1 column 101)';
  const table: Readonly<Record<string, [text: string, ...problems: string[]]>> = {
    'an empty file': ['', 'expected JSON; value expected (line 1 column 1)'],
    'a missing comma': ['{\n  "a": 1\n  "b": 2\n}', 'expected JSON; comma expected (line 3 column 3)'],
    'a missing colon': ['{"a" 1}', 'expected JSON; colon expected (line 1 column 6)'],
    'single quotes': ["{'a': 1}", 'expected JSON; invalid symbol (line 1 column 2)'],
    'a comment without an end': ['{} /*', 'expected JSON; unexpected end of comment (line 1 column 4)'],
    'two values': ['{}\n{}', 'expected JSON; end of file expected (line 2 column 1)'],
    '200,000 lists within each other': ['['.repeat(200_000) + ']'.repeat(200_000), deep],
    'the same, cut off': ['['.repeat(200_000), deep],
    '200,000 objects within each other': ['{"":'.repeat(200_000), deep.replace('101', '401')],
    'keys that are given twice': [
      '{\n  "a": {"b": 1,\n "b": 2},\n "c": 1,\n  "a": 3}',
      'expected "b" once; it is in line 2 and again in line 3',
      'expected "a" once; it is in line 2 and again in line 5',
    ],
    'a key given twice with the same value, in a file with comments': [
      '// one\n{"a": 1, "a": 1}',
      'expected "a" once; it is in line 2 and again in line 2',
    ],
    'the key __proto__ twice': ['{\n "__proto__": 1,\n "__proto__": 2}', ...[2, 3].map(protoProblem)],
  };
  for (const [name, [text, ...problems]] of Object.entries(table))
    test(name, () => assert.deepEqual(parseConfigText(text), { ok: false, problems }));
});

describe('the key __proto__ is refused in each object of the config, with and without comments', () => {
  const proxy = {
    listen: '6274',
    upstream: 'localhost:6274',
    limits: { memoryBytes: { warn: 1 } },
    probe: { type: 'http' },
  };
  const config = {
    proxies: [proxy],
    monitor: {},
    alerts: { flapping: {}, quietHours: { from: '22:00', to: '07:00' } },
    logs: {},
  };
  const text = JSON.stringify(config);
  assert.ok(parseConfig(config).ok);
  for (const { index } of text.matchAll(/\{/g))
    test(`at ${index}: ${text.slice(Math.max(0, index - 12), index + 1)}`, () => {
      const rest = text.slice(index + 1);
      const separator = rest.startsWith('}') ? '' : ',';
      const planted = `${text.slice(0, index + 1)}"__proto__":{"x":1}${separator}${rest}`;
      for (const written of [planted, `${planted} // a comment`]) {
        const parsed = parseConfigText(written);
        assert.ok(parsed.ok);
        const result = parseConfig(parsed.value);
        assert.ok(!result.ok);
        assert.match(result.errors.map(({ path }) => path).join(), /__proto__$/);
      }
    });
});

test('comments change nothing in a config, valid or not', () => {
  for (const { config } of INVALID_CONFIGS) {
    const text = JSON.stringify(config);
    assert.deepEqual(parseConfigText(`/* */${text}`), parseConfigText(text));
  }
});
