import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { compiled } from '../../support/compiled.ts';

const stderrWith = (env: Readonly<Record<string, string>>): string => {
  const code = `const { createDebug } = await import(${JSON.stringify(compiled('src/system/debug.ts').href)});
    createDebug('check')('port %d is %s', 6274, 'up');`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', env }).stderr;
};

test('a section says something only where it is named', () => {
  assert.equal(stderrWith({}), '');
  assert.equal(stderrWith({ STEADYPORT_DEBUG: 'pm2' }), '');
  for (const named of ['check', 'pm2, check', 'all'])
    assert.match(stderrWith({ STEADYPORT_DEBUG: named }), /^STEADYPORT check \d+: port 6274 is up\n$/, named);
  assert.match(stderrWith({ NODE_DEBUG: 'steadyport:check' }), /port 6274 is up/);
});
