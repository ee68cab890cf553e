import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '../../support/temp-dir.ts';

test('a build that fails leaves the one before, and one that succeeds replaces it as a whole', () => {
  const folder = tempFolder();
  for (const name of ['src', 'scripts', 'package.json'])
    cpSync(name, join(folder, name), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
  const build = (): number | null =>
    spawnSync('npm', ['run', '--silent', 'build'], { cwd: folder, stdio: 'ignore' }).status;
  const outputs = (): readonly string[] => readdirSync(folder).filter((name) => name.startsWith('dist'));
  const cli = join(folder, 'dist/cli.js');
  assert.equal(build(), 0);
  const before = readFileSync(cli, 'utf8');
  appendFileSync(join(folder, 'src/cli.ts'), '\nthis is no statement');
  assert.notEqual(build(), 0);
  assert.equal(readFileSync(cli, 'utf8'), before);
  cpSync('src/cli.ts', join(folder, 'src/cli.ts'));
  assert.equal(build(), 0);
  assert.equal(existsSync(cli), true);
  assert.deepEqual(outputs(), ['dist']);
});
