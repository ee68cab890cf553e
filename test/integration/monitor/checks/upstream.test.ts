import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { parseConfig } from '../../../../src/config/config.ts';
import type { Heartbeat } from '../../../../src/ipc/heartbeat.ts';
import { createUpstreamCheck } from '../../../../src/monitor/checks/upstream.ts';
import { findListeners } from '../../../../src/system/proc/socket-table.ts';
import { serve } from '../../../support/proxy/proxy-harness.ts';

const answer = (socket: Socket): void => {
  socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
};

/** Checks an application that is well through a proxy that closes so many connections before it passes one on. */
const checkThrough = async (t: TestContext, closed: number) => {
  const upstream = await serve(t, answer);
  let left = closed;
  const proxy = await serve(t, (socket) => {
    left -= 1;
    if (left >= 0) socket.destroy();
    else answer(socket);
  });
  // What another test has read of the socket table does not have them.
  findListeners(1);
  const parsed = parseConfig({
    proxies: [{ listen: '6274', upstream: `127.0.0.1:${upstream.port}`, probe: { type: 'http' } }],
  });
  assert.ok(parsed.ok && parsed.config.proxies[0]);
  const heartbeat = { ask: async () => null } as unknown as Heartbeat;
  const monitor = { ...parsed.config.monitor, probeTimeoutMs: 30_000 };
  const { check, ensureFirstCheck } = createUpstreamCheck(
    parsed.config.proxies[0],
    monitor,
    heartbeat,
    () => {},
  );
  await ensureFirstCheck([proxy]);
  const { upstream: direct, endToEnd } = check([proxy], false).result;
  return { direct, endToEnd };
};

test('a proxy that fails at one probe, while the application answers, is probed again before it is blamed', async (t) => {
  assert.deepEqual(await checkThrough(t, 1), { direct: 'ok', endToEnd: 'ok' });
  assert.deepEqual(await checkThrough(t, 2), { direct: 'ok', endToEnd: 'failed' });
});
