import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { errorName } from '../../../src/proxy/kernel/libc.ts';

test('an error has the name by which others know it', () => {
  for (const name of ['EAGAIN', 'ECONNREFUSED', 'ECONNRESET', 'EMFILE', 'ENOENT', 'ENOTSUP'] as const)
    assert.equal(errorName(constants.errno[name]), name);
  assert.equal(errorName(4_711), 'E4711');
});
