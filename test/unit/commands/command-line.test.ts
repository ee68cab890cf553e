import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLine } from '../../../src/commands/command-line.ts';

test('the next command is written as this one was typed', (t) => {
  const typed = process.argv[1] ?? '';
  t.after(() => {
    process.argv[1] = typed;
  });
  const lineOf = (program: string, isNpmScript: boolean, commandPrefix?: string): string => {
    process.argv[1] = program;
    return commandLine({ isNpmScript, commandPrefix }, 'logs', 'monitor');
  };
  assert.equal(lineOf('dist/cli.js', true), 'npm run logs -- monitor');
  assert.equal(lineOf(`${process.cwd()}/dist/cli.js`, false), 'node dist/cli.js logs monitor');
  assert.equal(
    lineOf(`${process.cwd()}/my own/it's/cli.js`, false),
    String.raw`node 'my own/it'\''s/cli.js' logs monitor`,
  );
  assert.equal(lineOf('/usr/local/bin/steadyport', false), 'steadyport logs monitor');
  assert.equal(lineOf('dist/cli.js', true, 'npm run demo --'), 'npm run demo -- logs monitor');
});
