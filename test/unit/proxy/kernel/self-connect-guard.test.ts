import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSelfConnectGuard } from '../../../../src/proxy/kernel/self-connect-guard.ts';

const LISTENER = { host: '0.0.0.0', port: 80 };
const dialled = { host: '10.0.0.1', port: 80 };
const own = { host: '10.0.0.1', port: 40_000 };

test('only a port that the proxy listens on can come back', () => {
  const listeners = [LISTENER];
  const guard = createSelfConnectGuard(() => listeners);
  assert.deepEqual(
    [
      { host: '192.0.2.1', port: 80 },
      { host: '10.0.0.1', port: 81 },
      { host: '/a.sock', port: 0 },
    ].map(guard.isNeededFor),
    [true, false, false],
  );
  listeners.push({ host: '/a.sock', port: 0 });
  assert.equal(guard.isNeededFor({ host: '/a.sock', port: 0 }), false);
});

test('a client that the proxy has dialled is known by both its ends', () => {
  const guard = createSelfConnectGuard(() => [LISTENER]);
  guard.onDialed(own, dialled, 0);
  for (const [client, at, isLoop] of [
    [own, dialled, true],
    [own, { ...dialled, host: '10.0.0.2' }, false],
    [{ ...own, port: 40_001 }, dialled, false],
  ] as const)
    assert.equal(guard.onAccepted(client, at), isLoop, JSON.stringify([client, at]));
});

test('a connection whose other end is a client of the proxy has come back, until the client leaves', () => {
  const guard = createSelfConnectGuard(() => [LISTENER]);
  guard.onAccepted(own, dialled);
  assert.equal(guard.isConnectedToClient(own, dialled), true);
  assert.equal(guard.isConnectedToClient({ ...own, port: 40_001 }, dialled), false);
  assert.equal(guard.isConnectedToClient(undefined, dialled), false);
  guard.onClosed(own, dialled);
  assert.equal(guard.isConnectedToClient(own, dialled), false);
});

test('what was dialled long ago is forgotten when there is much of it', () => {
  const guard = createSelfConnectGuard(() => [LISTENER]);
  const from = (port: number) => ({ ...own, port });
  for (let port = 1; port <= 256; port += 1) guard.onDialed(from(port), dialled, 0);
  guard.onDialed(from(300), dialled, 5_000);
  assert.equal(guard.onAccepted(from(1), dialled), true, '5 s are not over');
  guard.onDialed(from(301), dialled, 5_001);
  assert.equal(guard.onAccepted(from(1), dialled), false);
  assert.equal(guard.onAccepted(from(300), dialled), true);
});
