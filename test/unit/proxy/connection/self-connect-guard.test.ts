import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSelfConnectGuard } from '../../../../src/proxy/connection/self-connect-guard.ts';

const LISTENER = { host: '0.0.0.0', port: 80 };
const DIALED = { host: '10.0.0.1', port: 80 };
const OWN = { host: '10.0.0.1', port: 40_000 };

test('only a connection to a port that the proxy listens on can come back', () => {
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

test('a client that the proxy has dialed is recognized by both its addresses', () => {
  const guard = createSelfConnectGuard(() => [LISTENER]);
  guard.onDialed(OWN, DIALED, 0);
  for (const [client, localAddress, isLoop] of [
    [OWN, DIALED, true],
    [OWN, { ...DIALED, host: '10.0.0.2' }, false],
    [{ ...OWN, port: 40_001 }, DIALED, false],
  ] as const)
    assert.equal(guard.onAccepted(client, localAddress), isLoop, JSON.stringify([client, localAddress]));
});

test('a connection to the upstream that is a connection of a client has come back, until the client leaves', () => {
  const guard = createSelfConnectGuard(() => [LISTENER]);
  guard.onAccepted(OWN, DIALED);
  assert.equal(guard.isConnectedToClient(OWN, DIALED), true);
  assert.equal(guard.isConnectedToClient({ ...OWN, port: 40_001 }, DIALED), false);
  assert.equal(guard.isConnectedToClient(undefined, DIALED), false);
  guard.onClosed(OWN, DIALED);
  assert.equal(guard.isConnectedToClient(OWN, DIALED), false);
});

test('expired entries are removed when there are many', () => {
  const guard = createSelfConnectGuard(() => [LISTENER]);
  const from = (port: number) => ({ ...OWN, port });
  for (let port = 1; port <= 256; port += 1) guard.onDialed(from(port), DIALED, 0);
  guard.onDialed(from(300), DIALED, 5_000);
  assert.equal(guard.onAccepted(from(1), DIALED), true, 'the entry has not expired');
  guard.onDialed(from(301), DIALED, 5_001);
  assert.equal(guard.onAccepted(from(1), DIALED), false);
  assert.equal(guard.onAccepted(from(300), DIALED), true);
});
