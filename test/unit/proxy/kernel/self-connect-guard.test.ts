import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLoopGuard } from '../../../../src/proxy/kernel/self-connect-guard.ts';

const LISTENER = { host: '0.0.0.0', port: 80 };
const dialled = { host: '10.0.0.1', port: 80 };
const own = { host: '10.0.0.1', port: 40_000 };

test('only a port that the proxy listens on can come back', () => {
  const listeners = [LISTENER];
  const guard = createLoopGuard(() => listeners);
  assert.deepEqual(
    [
      { host: '192.0.2.1', port: 80 },
      { host: '10.0.0.1', port: 81 },
      { host: '/a.sock', port: 0 },
    ].map(guard.isNeeded),
    [true, false, false],
  );
  listeners.push({ host: '/a.sock', port: 0 });
  assert.equal(guard.isNeeded({ host: '/a.sock', port: 0 }), false);
});

test('a client that the proxy has dialled is known by both its ends', () => {
  const guard = createLoopGuard(() => [LISTENER]);
  guard.dialled(own, dialled, 0);
  for (const [client, at, isLoop] of [
    [own, dialled, true],
    [own, { ...dialled, host: '10.0.0.2' }, false],
    [{ ...own, port: 40_001 }, dialled, false],
  ] as const)
    assert.equal(guard.accepted(client, at), isLoop, JSON.stringify([client, at]));
});

test('a connection whose other end is a client of the proxy has come back, until the client leaves', () => {
  const guard = createLoopGuard(() => [LISTENER]);
  guard.accepted(own, dialled);
  assert.equal(guard.isClients(own, dialled), true);
  assert.equal(guard.isClients({ ...own, port: 40_001 }, dialled), false);
  assert.equal(guard.isClients(undefined, dialled), false);
  guard.left(own, dialled);
  assert.equal(guard.isClients(own, dialled), false);
});

test('what was dialled long ago is forgotten when there is much of it', () => {
  const guard = createLoopGuard(() => [LISTENER]);
  const from = (port: number) => ({ ...own, port });
  for (let port = 1; port <= 256; port += 1) guard.dialled(from(port), dialled, 0);
  guard.dialled(from(300), dialled, 5_000);
  assert.equal(guard.accepted(from(1), dialled), true, '5 s are not over');
  guard.dialled(from(301), dialled, 5_001);
  assert.equal(guard.accepted(from(1), dialled), false);
  assert.equal(guard.accepted(from(300), dialled), true);
});
