import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createPm2EventBus, type Pm2Event } from '../../../src/pm2/event-bus.ts';
import { frame } from '../../support/pm2/amp-frame.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

/** The bus of a fake daemon, and a client of it. */
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
  const events: Pm2Event[] = [];
  let connects = 0;
  const onConnect = (): void => {
    connects += 1;
  };
  const bus = createPm2EventBus(path, (received) => events.push(received), onConnect);
  t.after(async () => {
    bus.disconnect();
    if (daemon?.listening) await close();
  });
  const send = (...frames: readonly Buffer[]): void => {
    for (const bytes of frames) for (const socket of listeners) socket.write(bytes);
  };
  const hasListeners = (count: number): Promise<boolean> =>
    until(() => listeners.length === count, `${count} connections`);
  return { bus, events, send, open, close, listeners, hasListeners, connects: () => connects };
};

const event = (name: string, eventName: string, code?: number): Buffer =>
  frame('process:event', { event: eventName, process: { name, exit_code: code } });
const line = (text: string): Buffer => frame('log:PM2', { data: `${text}\n` });

test('each connection is told, since what happened before it was not heard', async (t) => {
  const { bus, connects, open, close, hasListeners } = await rig(t);
  const hasConnected = (count: number): Promise<boolean> =>
    until(() => {
      bus.connectTo(1);
      return connects() === count;
    }, `${count} connections`);
  await open();
  await hasConnected(1);
  await hasListeners(1);
  await close();
  await open();
  await hasConnected(2);
});

test('events say what happened to an app, and how its process ended', async (t) => {
  const { bus, events, send, open, hasListeners } = await rig(t);
  await open();
  bus.connectTo(1);
  await hasListeners(1);
  const table: readonly [sent: Buffer, received: Pm2Event][] = [
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
  const ignored = [
    line('App [a:0] online'),
    frame('log:out', { process: { name: 'a' }, event: 'exit', data: 'x' }),
    frame('process:event', null),
    frame('process:event', { event: 'exit', process: null }),
    frame('process:event', { event: 'exit' }),
    frame('process:event', { event: 1, process: { name: 2 } }),
    frame('log:PM2', 'text'),
  ];
  send(...ignored, ...table.map(([sent]) => sent), event('last', 'x'));
  await until(() => events.at(-1)?.app === 'last', 'the last event');
  assert.deepEqual(
    events.slice(0, -1),
    table.map(([, received]) => received),
  );
});

test('it connects once, and after an end only at the next connectTo', async (t) => {
  const { bus, events, send, open, close, listeners, hasListeners } = await rig(t);
  bus.connectTo(1);
  await open();
  // The first attempt may have come before the daemon; either way there must be one connection.
  await until(async () => {
    bus.connectTo(1);
    send(event('a', 'online'));
    await new Promise((done) => setImmediate(done));
    return events.length > 0;
  }, 'an event');
  for (let joins = 0; joins < 10; joins += 1) bus.connectTo(1);
  await manyTurns();
  assert.equal(listeners.length, 1);

  await close();
  await open();
  await manyTurns();
  assert.equal(listeners.length, 0);
  bus.connectTo(1);
  await hasListeners(1);
});

test('it switches to another daemon even if the earlier one keeps its connection', async (t) => {
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

test('it leaves a bus with too much traffic, and does not come back at once', async (t) => {
  const { bus, events, send, open, listeners, hasListeners } = await rig(t);
  await open();
  bus.connectTo(1);
  await hasListeners(1);
  const chunk = frame('log:out', { data: 'x'.repeat(50_000) });
  send(chunk, chunk, event('a', 'online'));
  await until(() => events.length === 1, 'the event among the output');
  send(chunk, chunk, chunk, chunk, chunk);
  await hasListeners(0);
  bus.connectTo(1);
  await manyTurns();
  assert.equal(listeners.length, 0);
});

/** Waits for longer than a connection to this process takes. */
const manyTurns = async (): Promise<void> => {
  for (let turns = 0; turns < 200; turns += 1) await new Promise((done) => setImmediate(done));
};
