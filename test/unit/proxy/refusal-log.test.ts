import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloseReason } from '../../../src/lib/close-reason.ts';
import { createRefusalLog } from '../../../src/proxy/refusal-log.ts';

test('refused clients are logged at once, then once a minute with how many there were', () => {
  const logged: string[] = [];
  let now = 0;
  const logRefusal = createRefusalLog(
    { id: '6274', allow: ['loopback'] },
    (_, text) => logged.push(text),
    () => now,
  );
  const end = (reason: CloseReason, host = '203.0.113.9'): void =>
    logRefusal({ client: { host, port: 5 }, reason });
  for (const reason of ['done', 'client_gone', 'upstream_refused'] as const) end(reason);
  assert.deepEqual(logged, []);
  end('not_allowed');
  end('too_many');
  now = 59_999;
  for (let count = 0; count < 1_000; count += 1) end('not_allowed');
  assert.deepEqual(logged.splice(0), [
    '6274: refused 203.0.113.9:5: the allow list does not have the client; to let it in: "allow": ["loopback","203.0.113.9"]',
    '6274: refused 203.0.113.9:5: the connection limit was reached',
  ]);
  now = 60_000;
  end('not_allowed', '203.0.113.10');
  end('too_many');
  end('too_many');
  assert.deepEqual(logged, [
    '6274: refused 203.0.113.10:5, and 1000 others since it was last logged: the allow list does not have the client; to let it in: "allow": ["loopback","203.0.113.10"]',
    '6274: refused 203.0.113.9:5: the connection limit was reached',
  ]);
});
