import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toError } from '../../../src/pm2/rpc.ts';

test('an error of PM2 has a text for one line, whatever PM2 rejects with', () => {
  const cause = new Error('Process \x1b[31mfailed\nforged line');
  assert.equal(toError(cause).message, 'Process \\u001b[31mfailed\\u000aforged line');
  assert.equal(toError(cause).cause, cause);
  assert.equal(toError('not found\n').message, 'not found\\u000a');
  assert.equal(toError([{ message: 'x' }]).message, '[{"message":"x"}]');
  assert.equal(toError('x'.repeat(10_000)).message.length, 500);
});
