import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
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

/** The scripts for users and for npm itself; the README has those for users. */
const NOT_FOR_CONTRIBUTORS = [
  'prepare',
  'start',
  'stop',
  'status',
  'logs',
  'check-config',
  'alert-test',
  'uninstall',
  'install:logrotate',
];
const CONTRIBUTING = readFileSync('CONTRIBUTING.md', 'utf8');

test('CONTRIBUTING.md has every script for contributors, and stays short', () => {
  const scripts = Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).scripts);
  const missing = scripts
    .filter((name) => !NOT_FOR_CONTRIBUTORS.includes(name))
    .filter((name) => !CONTRIBUTING.includes(`\`npm ${name === 'test' ? '' : 'run '}${name}\``));
  assert.deepEqual(missing, []);
  assert.ok(CONTRIBUTING.length <= 5_000, `${CONTRIBUTING.length} characters`);
});

test('CONTRIBUTING.md lists what npm run verify lists', () => {
  const { stdout } = spawnSync(process.execPath, ['scripts/verify.js'], { encoding: 'utf8' });
  const names = [...stdout.matchAll(/^ {2}(\S+) /gm)].map(([, name]) => `\`${name}\``);
  assert.ok(names.length > 0, stdout);
  assert.match(CONTRIBUTING, new RegExp(`by name: ${names.join(', ')} \\|$`, 'm'));
});
