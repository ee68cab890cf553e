import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** The settings of .editorconfig by section. */
const editorConfig = (): ReadonlyMap<string, Readonly<Record<string, string>>> =>
  new Map(
    readFileSync('.editorconfig', 'utf8')
      .split(/^\[/m)
      .slice(1)
      .map((section) => {
        const [name = '', ...lines] = section.split('\n');
        const pairs = lines.filter((line) => line.includes('=')).map((line) => line.split(' = '));
        return [name.replace(/\]$/, ''), Object.fromEntries(pairs)];
      }),
  );

test('.editorconfig says what biome.json says', () => {
  const { formatter } = JSON.parse(readFileSync('biome.json', 'utf8'));
  const sections = editorConfig();
  assert.equal(sections.get('*')?.['indent_style'], formatter.indentStyle);
  // https://biomejs.dev/reference/configuration/#formatterindentwidth: the default is 2.
  assert.equal(sections.get('*')?.['indent_size'], String(formatter.indentWidth ?? 2));
  assert.equal(sections.get('*.{ts,js,json}')?.['max_line_length'], String(formatter.lineWidth));
});

test('.nvmrc names the oldest major version that package.json allows', () => {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8'));
  assert.equal(readFileSync('.nvmrc', 'utf8').trim(), /^>=(\d+)\./.exec(engines.node)?.[1]);
});

test('CONTRIBUTING.md is short', () => {
  const { length } = readFileSync('CONTRIBUTING.md', 'utf8');
  assert.ok(length <= 5_000, `${length} characters`);
});
