import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { createHeartbeat } from '../../src/monitor/heartbeat.ts';
import { tempFolder } from '../temp-folder.ts';
import { until } from './child.ts';
import { fakeProxy } from './fake-proxy.ts';

const LIMIT_MS = 30_000;

/** A control socket that answers so many questions, and then none. */
const mute = async (t: TestContext, answers: number): Promise<string> => {
  const path = join(tempFolder(), 'control.sock');
  const sockets = new Set<Socket>();
  let left = answers;
  const server = createServer((socket) => {
    sockets.add(socket);
    createInterface({ input: socket }).on('line', (line) => {
      left -= 1;
      const { id } = JSON.parse(line) as { id: number };
      if (left >= 0) socket.write(`${JSON.stringify({ id, reply: {} })}\n`);
    });
  });
  await once(server.listen(path), 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return path;
};

/** Keeps this process from doing anything else. */
const block = (ms: number): void => {
  for (const startedAt = performance.now(); performance.now() - startedAt < ms; );
};

test('a proxy that answers is asked over one connection, and says how it is', async (t) => {
  const proxy = await fakeProxy(t, { dataPath: 'ok' });
  const { beat, close } = createHeartbeat(proxy.socket, () => assert.fail('it went on'));
  for (let again = 0; again < 3; again += 1) {
    const { state, report, lagMs } = await beat(LIMIT_MS);
    assert.deepEqual([state, report?.pid, report?.dataPath], ['ok', process.pid, 'ok']);
    assert.ok(lagMs !== null && lagMs >= 0);
  }
  close();
});

test('a proxy that has gone is told once, and then cannot be reached', async (t) => {
  const proxy = await fakeProxy(t);
  let onEnd: (how: string) => void = () => {};
  const { beat, close } = createHeartbeat(proxy.socket, (how) => onEnd(how));
  assert.equal((await beat(LIMIT_MS)).state, 'ok');
  const ended = new Promise<string>((done) => {
    onEnd = done;
  });
  await proxy.end('lost');
  assert.equal(await ended, 'lost');
  assert.deepEqual(await beat(LIMIT_MS), { state: 'unreachable', report: null, lagMs: null });
  close();
});

test('no answer in time is silence', async (t) => {
  const { beat, close } = createHeartbeat(await mute(t, 0), () => {});
  // Where this process is too busy nothing is known.
  await until(async () => {
    const { state } = await beat(100);
    assert.ok(state === 'silent' || state === 'unknown', state);
    return state === 'silent';
  }, 'silent');
  close();
});

test('no answer in time is nothing known when it is this process that was late', async (t) => {
  const { beat, close } = createHeartbeat(await mute(t, 1), () => {});
  assert.equal((await beat(LIMIT_MS)).state, 'ok');
  const late = beat(100);
  // It is asked within a few microtasks; a turn of the loop may take as long as its time-out.
  for (let task = 0; task < 20; task += 1) await undefined;
  block(300);
  assert.equal((await late).state, 'unknown');
  close();
});

test('without a connection nothing can be asked', async (t) => {
  const proxy = await fakeProxy(t);
  const { beat, ask, close } = createHeartbeat(proxy.socket, () => {});
  await assert.rejects(ask('listen_again', null), /no connection to the proxy/);
  await beat(LIMIT_MS);
  await ask('listen_again', null);
  close();
  await assert.rejects(ask('listen_again', null), /no connection to the proxy/);
  assert.deepEqual(proxy.asked, ['report', 'listen_again']);
});
