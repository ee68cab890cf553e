import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from '../../../src/lib/backoff.ts';

test('a pause doubles with each failure, up to maxMs', () => {
  const backoff = { minMs: 100, maxMs: 1_000 };
  assert.deepEqual(
    [0, 1, 2, 3, 4, 50, 5_000].map((failures) => backoffMs(backoff, failures)),
    [100, 200, 400, 800, 1_000, 1_000, 1_000],
  );
});
