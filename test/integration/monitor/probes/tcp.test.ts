import assert from 'node:assert/strict';
import { test } from 'node:test';
import { probeAccept } from '../../../../src/monitor/checks/check-connection.ts';
import { probeUpstream } from '../../../../src/monitor/probes/run-probe.ts';
import { freePort, serve } from '../../../support/proxy/proxy-harness.ts';

const LIMIT_MS = 10_000;

test('to be accepted by the kernel alone does not pass for accepting', async (t) => {
  const { host, port } = await serve(t, (socket) => socket.pause());
  const outcome = await probeAccept({ host, port }, 200);
  assert.ok(!outcome.ok && outcome.error.endsWith('accepted nothing within 200 ms'));
});

test('a direct check names what it could not reach, and never asks the proxy about itself', async (t) => {
  const port = await freePort();
  const refused = await probeUpstream({ host: '127.0.0.1', port }, { type: 'tcp' }, [], LIMIT_MS);
  assert.ok(!refused.ok && refused.error === `127.0.0.1:${port} refused (ECONNREFUSED)`);
  const own = await serve(t, () => {});
  const self = await probeUpstream(own, { type: 'tcp' }, [own], LIMIT_MS);
  assert.ok(!self.ok && self.error === 'every address of 127.0.0.1 is the proxy itself');
});

test('a connection is closed again after a check, without a reset', async (t) => {
  const received: string[] = [];
  const closed = new Promise<void>((done) => {
    void serve(t, (socket) => {
      socket.on('end', () => received.push('end')).on('error', ({ message }) => received.push(message));
      socket.resume().on('end', () => socket.end());
      socket.once('close', () => done());
    }).then((at) => probeUpstream(at, { type: 'tcp' }, [], LIMIT_MS));
  });
  await closed;
  assert.deepEqual(received, ['end']);
});
