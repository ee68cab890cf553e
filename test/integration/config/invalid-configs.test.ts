import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { requireConfig } from '../../../src/config/load.ts';
import { INVALID_CONFIGS } from '../../fixtures/invalid-configs.ts';
import { steadyport } from '../../support/cli.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** The texts of files that are no JSON. test/unit/config/invalid-configs.test.ts has the configs that are. */
const NOT_JSON = [
  {
    name: 'two commas',
    text: '{\n  "proxies": [\n    { "listen": "6274", "upstream": "localhost:6274",, }\n  ]\n}\n',
    error: 'expected JSON; property name expected (line 3 column 54)',
  },
  {
    name: 'cut off',
    text: '{ "proxies": [\n',
    error: 'expected JSON; close bracket expected (line 2 column 1)',
  },
  {
    name: 'a key twice',
    text: '{\n  "proxies": [],\n  "proxies": [{ "listen": "6274", "upstream": "localhost:6274" }]\n}\n',
    error: 'expected "proxies" once; it is in line 2 and again in line 3',
  },
];

/** Writes a config file and a `.env` beside it. @returns the path of the config file */
const writeConfig = (text: string, dotEnv = ''): string => {
  const folder = tempFolder();
  writeFileSync(join(folder, 'steadyport.json'), text);
  writeFileSync(join(folder, '.env'), dotEnv);
  return join(folder, 'steadyport.json');
};

describe('a config file that is no JSON is refused with the place of the mistake', () => {
  for (const { name, text, error } of NOT_JSON)
    test(name, () => {
      const path = writeConfig(text);
      const message = `${path}\n  ${error}`;
      assert.throws(() => requireConfig(path), { name: 'UsageError', message });
    });
});

test('of very many mistakes the first fifty are shown, and the rest is counted', () => {
  const proxy = { listen: '6274', upstream: 'localhost:6274' };
  const keys = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, 1]));
  for (const [config, count] of [
    [{ proxies: [proxy], ...keys }, 10_000],
    [{ proxies: Array.from({ length: 10_000 }, () => proxy) }, 9_999],
  ] as const)
    assert.throws(
      () => requireConfig(writeConfig(JSON.stringify(config))),
      ({ message }: Error) => {
        const lines = message.split('\n');
        assert.deepEqual([lines.length, lines.at(-1)], [52, `  … and ${count - 50} more`]);
        return true;
      },
    );
});

describe('check-config shows every mistake and exits with 2', () => {
  const cases = [
    ['of the file', 'several at once'],
    ['of .env', 'variables against the file'],
  ] as const;
  for (const [name, fixture] of cases)
    test(name, async () => {
      const { config, variables, errors } =
        INVALID_CONFIGS.find((entry) => entry.name === fixture) ?? assert.fail(fixture);
      const dotEnv = Object.entries(variables ?? {}).map(([key, value]) => `${key}="${value}"\n`);
      const path = writeConfig(JSON.stringify(config), dotEnv.join(''));
      const lines = [`steadyport: ${path}`, ...errors.map((error) => `  ${error}`)];
      assert.deepEqual(await steadyport(['check-config', path], { STEADYPORT_PROJECT: 'default' }), {
        code: 2,
        stdout: '',
        stderr: `${lines.join('\n')}\n`,
      });
    });
});
