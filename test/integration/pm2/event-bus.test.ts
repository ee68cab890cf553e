import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createPm2EventBus, type Pm2Event } from '../../../src/pm2/event-bus.ts';
import { frame } from '../../support/amp-frame.ts';
import { until } from '../../support/child-process.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** A bus of a daemon that says what a test wants, and one that listens to it. */
const rig = async (t: TestContext) => {
  const path = join(tempFolder(), 'pub.sock');
  const listeners: Socket[] = [];
  let daemon: Server;
  const open = async (): Promise<void> => {
    daemon = createServer((socket) => {
      listeners.push(socket.on('error', () => {}));
      socket.resume().once('close', () => listeners.splice(listeners.indexOf(socket), 1));
    });
    await once(daemon.listen(path), 'listening');
  };
  const close = async (): Promise<void> => {
    for (const socket of listeners) socket.destroy();
    await once(daemon.close(), 'close');
  };
  const heard: Pm2Event[] = [];
  const bus = createPm2EventBus(path, (news) => heard.push(news));
  t.after(async () => {
    bus.disconnect();
    if (daemon?.listening) await close();
  });
  const say = (...frames: readonly Buffer[]): void => {
    for (const one of frames) for (const socket of listeners) socket.write(one);
  };
  const hasListeners = (count: number): Promise<void> =>
    until(() => listeners.length === count, `${count} connections`);
  return { bus, heard, say, open, close, listeners, hasListeners };
};

const event = (name: string, what: string, code?: number): Buffer =>
  frame('process:event', { event: what, process: { name, exit_code: code } });
const line = (text: string): Buffer => frame('log:PM2', { data: `${text}\n` });

test('it tells what happened to an app, and how a process ended', async (t) => {
  const { bus, heard, say, open, hasListeners } = await rig(t);
  await open();
  bus.connectTo(1);
  await hasListeners(1);
  const table: readonly [said: Buffer, heard: Pm2Event][] = [
    [event('a', 'online', 3), { app: 'a', event: 'online', ending: null }],
    [event('a', 'exit', 3), { app: 'a', event: 'exit', ending: 'exited with code 3' }],
    [event('a', 'exit', 0), { app: 'a', event: 'exit', ending: null }],
    [event('a', 'restart overlimit'), { app: 'a', event: 'restart overlimit', ending: null }],
    [
      line('App [a:0] exited with code [0] via signal [SIGKILL]'),
      { app: 'a', event: 'exit', ending: 'killed by SIGKILL' },
    ],
    [
      line('App [a]:1:12] exited with code [7] via signal [SIGINT]'),
      { app: 'a]:1', event: 'exit', ending: 'exited with code 7' },
    ],
    [line('App [a:0] exited with code [0] via signal [SIGINT]'), { app: 'a', event: 'exit', ending: null }],
  ];
  const nothing = [
    line('App [a:0] online'),
    frame('log:out', { process: { name: 'a' }, event: 'exit', data: 'x' }),
    frame('process:event', null),
    frame('process:event', { event: 'exit' }),
    frame('process:event', { event: 1, process: { name: 2 } }),
    frame('log:PM2', 'text'),
  ];
  say(...nothing, ...table.map(([said]) => said), event('last', 'x'));
  await until(() => heard.at(-1)?.app === 'last', 'all of it');
  assert.deepEqual(
    heard.slice(0, -1),
    table.map(([, news]) => news),
  );
});

test('it connects once, and after an end only when it is told to', async (t) => {
  const { bus, heard, say, open, close, hasListeners } = await rig(t);
  bus.connectTo(1);
  await open();
  // There was nobody, or there is by now; either way there is to be one connection.
  await until(async () => {
    bus.connectTo(1);
    say(event('a', 'online'));
    await new Promise((done) => setImmediate(done));
    return heard.length > 0;
  }, 'news');
  for (let joins = 0; joins < 10; joins += 1) bus.connectTo(1);
  await hasListeners(1);

  await close();
  await open();
  for (let turns = 0; turns < 200; turns += 1) await new Promise((done) => setImmediate(done));
  await hasListeners(0);
  bus.connectTo(1);
  await hasListeners(1);
});

test('it follows to another daemon, though the one before still holds the line', async (t) => {
  const { bus, open, listeners, hasListeners } = await rig(t);
  await open();
  bus.connectTo(1);
  await hasListeners(1);
  const [first] = listeners;
  bus.connectTo(2);
  await until(() => listeners.length === 1 && listeners[0] !== first, 'another connection instead');
  bus.disconnect();
  await hasListeners(0);
});

test('it leaves a bus that carries much else, and is not back at once', async (t) => {
  const { bus, heard, say, open, hasListeners } = await rig(t);
  await open();
  bus.connectTo(1);
  await hasListeners(1);
  const chunk = frame('log:out', { data: 'x'.repeat(50_000) });
  say(chunk, chunk, event('a', 'online'));
  await until(() => heard.length === 1, 'news among so much');
  say(chunk, chunk, chunk, chunk, chunk);
  await hasListeners(0);
  bus.connectTo(1);
  for (let turns = 0; turns < 200; turns += 1) await new Promise((done) => setImmediate(done));
  await hasListeners(0);
});
