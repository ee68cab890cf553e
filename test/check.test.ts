import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

/** `npm run check` has teeth: a mistake planted in a copy of the project fails it. */
const CHECKED = [
  'src',
  'test',
  'scripts',
  'biome.json',
  'knip.json',
  'package.json',
  'tsconfig.json',
  '.gitignore',
];

const check = (planted: Readonly<Record<string, string>>): { code: number | null; output: string } => {
  const copy = mkdtempSync(join(tmpdir(), 'steadyport-check-'));
  try {
    const isOurs = (path: string): boolean => !path.includes('node_modules');
    for (const name of CHECKED) cpSync(name, join(copy, name), { recursive: true, filter: isOurs });
    symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));
    spawnSync('git', ['init', '--quiet'], { cwd: copy });
    for (const [name, line] of Object.entries(planted))
      writeFileSync(join(copy, name), `${readFileSync(join(copy, name), 'utf8')}${line}\n`);
    const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'check'], {
      cwd: copy,
      encoding: 'utf8',
    });
    return { code: status, output: stdout + stderr };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
};

test('the project as it is passes its own check', () => {
  const { code, output } = check({});
  assert.equal(code, 0, output);
});

for (const [file, line] of [
  ['src/core/nearest.ts', "export * from 'node:fs';"],
  ['src/core/nearest.ts', "export * from '../host/home.ts';"],
  ['src/host/resolve.ts', "export * from '../proxy/dial.ts';"],
  ['src/proxy/dial.ts', "export * from '../monitor/pm2.ts';"],
  ['src/proxy/portable/connection.ts', "export * from '../../web/server.ts';"],
  ['src/proxy/kernel/relay.ts', "export * from 'koffi';"],
  ['src/monitor/memory.ts', "export * from '../proxy/dial.ts';"],
  ['src/notify/post.ts', "export * from '../monitor/pm2.ts';"],
  ['src/web/server.ts', "export * from '../notify/post.ts';"],
  ['src/web/server.ts', "export * from '../monitor/pm2.ts';"],
  ['src/metrics.ts', "export * from './web/server.ts';"],
] as const)
  test(`an import that points up or sideways fails the check: ${file} ${line}`, () => {
    const { code, output } = check({ [file]: line });
    assert.notEqual(code, 0);
    assert.match(output, /noRestrictedImports/);
  });

test('an export that nobody uses fails the check', () => {
  const { code, output } = check({ 'src/core/nearest.ts': '\nexport const PLANTED = 1;' });
  assert.notEqual(code, 0);
  assert.match(output, /PLANTED/);
});

test('process.env outside host/config-file.ts fails the check', () => {
  const { code, output } = check({ 'src/host/home.ts': "\nexport const planted = process.env['HOME'];" });
  assert.notEqual(code, 0);
  assert.match(output, /noProcessEnv/);
});
