import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createHeartbeat } from '../../../src/ipc/heartbeat.ts';
import { FIRST_REPORT, fakeProxy, muteProxy } from '../../support/proxy/fake-proxy.ts';
import { needs } from '../../support/requirements.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const LIMIT_MS = 30_000;

/** A proxy that answers each ask with lines that are no messages, and then with this error. */
const answeringProxy = async (t: TestContext, error: string): Promise<string> => {
  const path = join(tempFolder(), 'control.sock');
  const server = createServer((socket) => {
    socket
      .on('error', () => {})
      .on('data', () => {
        socket.write(
          `null\n5\n"x"\n[]\nno JSON\n{"event":5}\n{"id":"x","error":null}\n{"id":1,"error":${error}}\n`,
        );
      });
  });
  t.after(() => server.close());
  await once(server.listen(path), 'listening');
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
    const { state, report, responseMs } = await beat(LIMIT_MS);
    assert.deepEqual([state, report?.pid, report?.dataPath], ['ok', process.pid, 'ok']);
    assert.ok(responseMs !== null && responseMs >= 0);
  }
  close();
});

test('a proxy that has gone is reported once, and then cannot be reached', {
  timeout: LIMIT_MS,
}, async (t) => {
  const proxy = await fakeProxy(t);
  let onEnd: (reason: string) => void = () => {};
  const { beat, close } = createHeartbeat(proxy.socket, (reason) => onEnd(reason));
  assert.equal((await beat(LIMIT_MS)).state, 'ok');
  const ended = new Promise<string>((done) => {
    onEnd = done;
  });
  await proxy.end('unexpected');
  assert.equal(await ended, 'unexpected');
  assert.deepEqual(await beat(LIMIT_MS), { state: 'unreachable', report: null, responseMs: null });
  close();
});

test('a control socket in place of whose folder there is a file cannot be reached', async () => {
  const file = join(tempFolder(), 'ports');
  writeFileSync(file, '');
  const { beat, close } = createHeartbeat(join(file, 'control.sock'), () => {});
  assert.deepEqual(await beat(LIMIT_MS), { state: 'unreachable', report: null, responseMs: null });
  close();
});

test('a proxy that cuts the connection, and listens, is there, and more is not known', async (t) => {
  const path = join(tempFolder(), 'control.sock');
  const server = createServer((socket) => socket.destroy());
  t.after(() => server.close());
  await once(server.listen(path), 'listening');
  const { beat, close } = createHeartbeat(path, () => {});
  assert.equal((await beat(LIMIT_MS)).state, 'unknown');
  close();
});

test('a proxy that has not accepted so many clients that the kernel takes no more is silent', {
  skip: needs(process.platform === 'linux' ? undefined : 'needs the backlog of Linux'),
}, async (t) => {
  const path = join(tempFolder(), 'control.sock');
  const server = createServer();
  t.after(() => server.close());
  await once(server.listen({ path, backlog: 1 }), 'listening');
  // This process accepts none of them before the beat, which connects at once.
  const waiting = [1, 2, 3].map(() => connect(path).on('error', () => {}));
  t.after(() => waiting.map((socket) => socket.destroy()));
  const { beat, close } = createHeartbeat(path, () => {});
  assert.equal((await beat(LIMIT_MS)).state, 'silent');
  close();
});

test('an announced shutdown is reported at once, while the proxy still answers', {
  timeout: LIMIT_MS,
}, async (t) => {
  const proxy = await fakeProxy(t);
  let onShutdownAnnounced = (): void => {};
  const { beat, close } = createHeartbeat(
    proxy.socket,
    () => {},
    () => onShutdownAnnounced(),
  );
  assert.equal((await beat(LIMIT_MS)).state, 'ok');
  const heard = new Promise<void>((done) => {
    onShutdownAnnounced = done;
  });
  proxy.announceShutdown();
  await heard;
  assert.equal((await beat(LIMIT_MS)).state, 'ok');
  close();
});

test('the last report of a proxy that shuts down is heard before its end', {
  timeout: LIMIT_MS,
}, async (t) => {
  const proxy = await fakeProxy(t, { cpuMs: 1 });
  const heard: (string | number)[] = [];
  let onEnd = (): void => {};
  const { beat, close } = createHeartbeat(
    proxy.socket,
    (reason) => {
      heard.push(reason);
      onEnd();
    },
    () => {},
    ({ cpuMs }) => heard.push(cpuMs),
  );
  assert.equal((await beat(LIMIT_MS)).state, 'ok');
  const ended = new Promise<void>((done) => {
    onEnd = done;
  });
  proxy.announce({ cpuMs: 2 });
  await proxy.end('announced');
  await ended;
  assert.deepEqual(heard, [1, 2, 'announced']);
  close();
});

test('no answer in time is silence', async (t) => {
  const { beat, close } = createHeartbeat(await muteProxy(t, 0), () => {});
  // Where this process is too busy the answer may be `unknown`.
  await until(async () => {
    const { state } = await beat(100);
    assert.ok(state === 'silent' || state === 'unknown', state);
    return state === 'silent';
  }, 'silent');
  close();
});

test('no answer in time is silence, also after a connect that took long', async (t) => {
  const socket = await muteProxy(t, 0);
  // Where this process is too busy the answer may be `unknown`.
  await until(
    async () => {
      const { beat, close } = createHeartbeat(socket, () => {});
      const slowBeat = beat(300);
      // The connect gets its answer after this, and the ask has its own time-out from then on.
      block(200);
      const { state } = await slowBeat;
      close();
      assert.ok(state === 'silent' || state === 'unknown', state);
      return state === 'silent';
    },
    'silent',
    LIMIT_MS,
  );
});

test('no answer in time says nothing when it is this process that was late', async (t) => {
  const { beat, close } = createHeartbeat(await muteProxy(t, 1), () => {});
  assert.equal((await beat(LIMIT_MS)).state, 'ok');
  const lateBeat = beat(100);
  // The ask is sent within a few microtasks; a turn of the event loop may take as long as its time-out.
  for (let task = 0; task < 20; task += 1) await undefined;
  block(300);
  assert.equal((await lateBeat).state, 'unknown');
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

test('a pulse is missed when there is no answer in time, and only then', async (t) => {
  const proxy = await fakeProxy(t);
  const alive = createHeartbeat(proxy.socket, () => {});
  assert.equal(await alive.pulse(1), true, 'nobody to ask');
  await alive.beat(LIMIT_MS);
  assert.equal(await alive.pulse(LIMIT_MS), true);
  assert.deepEqual(proxy.asked, ['report', 'pulse']);
  alive.close();
  const hung = createHeartbeat(await muteProxy(t, 1), () => {});
  await hung.beat(LIMIT_MS);
  assert.equal(await hung.pulse(50), false);
  hung.close();
});

test('a report of another version says that the proxy answers, and nothing else', async (t) => {
  const { startedAt, ...older } = FIRST_REPORT;
  const proxy = await fakeProxy(t);
  proxy.announce({ ...older, startedAt: undefined as unknown as number });
  const reports: unknown[] = [];
  const { beat, close } = createHeartbeat(
    proxy.socket,
    () => {},
    () => {},
    (report) => reports.push(report),
  );
  const { state, report } = await beat(LIMIT_MS);
  assert.deepEqual([state, report, reports], ['ok', null, []], `without ${startedAt}`);
  close();
});

test('an error of this process is no evidence against the proxy', async () => {
  const errors: unknown[] = [];
  // The connect fails in the code here, whatever the proxy does.
  const { beat, close } = createHeartbeat(
    undefined as unknown as string,
    () => {},
    () => {},
    () => {},
    (error) => errors.push(error),
  );
  assert.deepEqual(await beat(LIMIT_MS), { state: 'unknown', report: null, responseMs: null });
  assert.equal(errors.length, 1);
  close();
});

test('an answer that is an error, whatever it holds, is an answer', async (t) => {
  for (const answer of ['"the report failed"', '5', 'null', '{"a":1}']) {
    const { beat, close } = createHeartbeat(await answeringProxy(t, answer), () => {});
    assert.equal((await beat(LIMIT_MS)).state, 'ok', answer);
    close();
  }
});

test('what goes wrong with a report here is no silence of the proxy', async (t) => {
  const proxy = await fakeProxy(t);
  const { beat, close } = createHeartbeat(
    proxy.socket,
    () => {},
    () => {},
    () => {
      throw new Error('the counts are broken');
    },
  );
  await assert.rejects(beat(LIMIT_MS), /the counts are broken/);
  close();
});
