import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { CLOSE_REASONS, type CloseReason } from '../../../../../src/lib/close-reason.ts';
import type { ConnectionRecord } from '../../../../../src/proxy/engine.ts';
import {
  pushRecord,
  readRecords,
  toError,
  toFailure,
} from '../../../../../src/proxy/kernel/thread/channel.ts';
import { SharedCounters } from '../../../../../src/proxy/kernel/thread/shared-counters.ts';
import { compiled } from '../../../../support/compiled.ts';

const recordOf = (reason: CloseReason, n: number): ConnectionRecord => ({
  client: { host: '10.0.0.1', port: n },
  upstream: n % 2 === 0 ? null : { host: '::1', port: 9_000 + n },
  isConnected: n % 2 === 1,
  reason,
  code: n % 3 === 0 ? null : 'ECONNRESET',
  tries: n,
  bytesToUpstream: 2 ** 40 + n,
  bytesToClient: n,
  holdMs: n + 1,
  connectMs: n + 2,
  totalMs: n + 3,
  active: n + 4,
});

test('records of every reason are the same after the exchange', () => {
  const records = (Object.keys(CLOSE_REASONS) as CloseReason[]).map(recordOf);
  const fields: Parameters<typeof pushRecord>[0] = [];
  for (const record of records) pushRecord(fields, record);
  assert.deepEqual(readRecords(structuredClone(fields)), records);
});

test('an error keeps its code', () => {
  const error = Object.assign(new Error('bind EADDRINUSE: 0.0.0.0:80'), { code: 'EADDRINUSE' });
  const { message, code } = toError(structuredClone(toFailure(error))) as NodeJS.ErrnoException;
  assert.deepEqual([message, code], [error.message, 'EADDRINUSE']);
});

test('both threads see the counts, and a connection is active until its record has arrived', () => {
  const mine = new SharedCounters();
  const theirs = new SharedCounters(mine.buffer);
  theirs.addBytes(true, 2 ** 40);
  theirs.addBytes(true, 1);
  theirs.addBytes(false, 7);
  for (const code of ['ECONNREFUSED', 'ECONNREFUSED', 'ESELF', 'EAGAIN']) theirs.addFailure(code);
  for (let n = 0; n < 3; n += 1) theirs.countEnded();
  theirs.publish({ active: 2, total: 9, waitingForUpstream: 1, waitingForSlot: 4, maxConnections: 100 });
  assert.deepEqual(mine.counts(1), {
    active: 4,
    total: 9,
    waitingForUpstream: 1,
    waitingForSlot: 4,
    maxConnections: 100,
    bytesToUpstream: 2 ** 40 + 1,
    bytesToClient: 7,
    connectFailures: { ESELF: 1, ECONNREFUSED: 2, EAGAIN: 1 },
  });
  assert.equal(mine.turns, 1);
});

test('a command is pending until it is carried out', () => {
  const counters = new SharedCounters();
  assert.equal(counters.hasPendingCommands, false);
  counters.countCommand();
  assert.deepEqual([counters.sentCommands, counters.hasPendingCommands], [1, true]);
  counters.setHandledCommands(1);
  assert.equal(counters.hasPendingCommands, false);
});

test('the wait for closed listeners ends when they are closed, when the other thread ends, or when it takes too long', () => {
  const closed = new SharedCounters();
  assert.equal(closed.waitForStoppedListening(1), false);
  closed.setStoppedListening();
  assert.equal(closed.waitForStoppedListening(60_000), true);
  const ended = new SharedCounters();
  ended.setEnded();
  assert.deepEqual([ended.waitForStoppedListening(60_000), ended.waitForEnd(60_000)], [true, true]);
});

test('a thread waits until the other one has closed its listeners, and until it has ended', async (t) => {
  const counters = new SharedCounters();
  const script = `
    const { parentPort, workerData } = require('node:worker_threads');
    parentPort.on('message', async ({ buffer, url }) => {
      const { SharedCounters } = await import(url);
      const counters = new SharedCounters(buffer);
      parentPort.postMessage('ready');
      while (counters.sentCommands === 0);
      counters.setStoppedListening();
      while (!counters.isStopped);
      counters.setEnded();
      parentPort.close();
    });`;
  const worker = new Worker(script, { eval: true });
  t.after(() => worker.terminate());
  const url = compiled('src/proxy/kernel/thread/shared-counters.ts').href;
  worker.postMessage({ buffer: counters.buffer, url });
  await once(worker, 'message');
  counters.countCommand();
  assert.equal(counters.waitForStoppedListening(60_000), true);
  assert.equal(counters.waitForEnd(1), false);
  counters.stop();
  assert.equal(counters.waitForEnd(60_000), true);
});
