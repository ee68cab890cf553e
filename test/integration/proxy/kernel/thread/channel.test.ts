import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { REASONS, type Reason } from '../../../../../src/lib/close-reason.ts';
import type { ConnectionRecord } from '../../../../../src/proxy/engine.ts';
import {
  pushRecord,
  readRecords,
  toError,
  toFailure,
} from '../../../../../src/proxy/kernel/thread/channel.ts';
import { Cells } from '../../../../../src/proxy/kernel/thread/shared-counters.ts';
import { compiled } from '../../../../support/compiled.ts';

const recordOf = (reason: Reason, n: number): ConnectionRecord => ({
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

test('records come over as they were, with every reason', () => {
  const records = (Object.keys(REASONS) as Reason[]).map(recordOf);
  const fields: Parameters<typeof pushRecord>[0] = [];
  for (const record of records) pushRecord(fields, record);
  assert.deepEqual(readRecords(structuredClone(fields)), records);
});

test('an error keeps its code', () => {
  const error = Object.assign(new Error('bind EADDRINUSE: 0.0.0.0:80'), { code: 'EADDRINUSE' });
  const { message, code } = toError(structuredClone(toFailure(error))) as NodeJS.ErrnoException;
  assert.deepEqual([message, code], [error.message, 'EADDRINUSE']);
});

test('both threads see the counts, and a connection is active until its end was told', () => {
  const mine = new Cells();
  const theirs = new Cells(mine.buffer);
  theirs.addBytes(true, 2 ** 40);
  theirs.addBytes(true, 1);
  theirs.addBytes(false, 7);
  for (const code of ['ECONNREFUSED', 'ECONNREFUSED', 'ESELF', 'EAGAIN']) theirs.addFailure(code);
  for (let n = 0; n < 3; n += 1) theirs.countEnd();
  theirs.publish({ active: 2, total: 9, held: 1, waiting: 4, maxConnections: 100 });
  assert.deepEqual(mine.counts(1), {
    active: 4,
    total: 9,
    held: 1,
    waiting: 4,
    maxConnections: 100,
    bytesToUpstream: 2 ** 40 + 1,
    bytesToClient: 7,
    dialFailures: { ESELF: 1, ECONNREFUSED: 2, EAGAIN: 1 },
  });
  assert.equal(mine.turns, 1);
});

test('the wait for commands ends when they are carried out, when the other thread ends, or when it takes too long', () => {
  const cells = new Cells();
  cells.waitForCommands(60_000);
  cells.countCommand();
  cells.setHandled(1);
  cells.waitForCommands(60_000);
  cells.countCommand();
  cells.waitForCommands(10);
  cells.setEnded();
  cells.waitForCommands(60_000);
  assert.deepEqual([cells.commands, cells.hasEnded, cells.waitForEnd(60_000)], [2, true, true]);
});

test('another thread is waited for until it has carried the commands out, and until it has ended', async (t) => {
  const cells = new Cells();
  const script = `
    const { parentPort, workerData } = require('node:worker_threads');
    parentPort.on('message', async ({ buffer, url }) => {
      const { Cells } = await import(url);
      const cells = new Cells(buffer);
      parentPort.postMessage('ready');
      while (cells.commands === 0);
      cells.setHandled(1);
      while (!cells.isStopped);
      cells.setEnded();
      parentPort.close();
    });`;
  const worker = new Worker(script, { eval: true });
  t.after(() => worker.terminate());
  const url = compiled('src/proxy/kernel/thread/shared-counters.ts').href;
  worker.postMessage({ buffer: cells.buffer, url });
  await once(worker, 'message');
  cells.countCommand();
  cells.waitForCommands(60_000);
  assert.equal(cells.waitForEnd(1), false);
  cells.stop();
  assert.equal(cells.waitForEnd(60_000), true);
});
