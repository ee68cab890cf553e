import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFrames } from '../../../src/pm2/amp-decoder.ts';
import { frame } from '../../support/pm2/amp-frame.ts';

const TOPICS = ['process:event', 'log:PM2'];

/** The messages in `bytes`, which arrive in pieces of `pieceBytes`. */
const decode = (bytes: Buffer, pieceBytes: number, maxBytes = 1_000): readonly unknown[] => {
  const messages: unknown[] = [];
  const feed = decodeFrames(TOPICS, maxBytes, (topic, value) => messages.push([topic, value]));
  for (let at = 0; at < bytes.length; at += pieceBytes) feed(bytes.subarray(at, at + pieceBytes));
  return messages;
};

test('messages are the same however their bytes are split', () => {
  const bytes = Buffer.concat([
    frame('process:event', { event: 'exit', name: 'ä🚀' }),
    frame('log:out', { data: 'x'.repeat(100) }),
    frame('log:PM2', { data: 'App' }),
    frame('process:event', { event: 'online' }, 'a third part'),
    frame('process:event'),
    frame('log:PM2', null),
  ]);
  const whole = [
    ['process:event', { event: 'exit', name: 'ä🚀' }],
    ['log:PM2', { data: 'App' }],
    ['process:event', { event: 'online' }],
    ['log:PM2', null],
  ];
  for (let pieceBytes = 1; pieceBytes <= bytes.length; pieceBytes += 1)
    assert.deepEqual(decode(bytes, pieceBytes), whole, `pieces of ${pieceBytes} bytes`);
});

test('a message that is too long, of another topic, or no JSON is skipped, and the next one is read', () => {
  const broken = frame('process:event', { a: 1 });
  broken.writeUInt8(0x58, broken.length - 1);
  const bytes = Buffer.concat([
    frame('process:event', { long: 'x'.repeat(1_000) }),
    frame('x'.repeat(200), { a: 1 }),
    Buffer.from([0x10]),
    broken,
    frame('process:event', { a: 2 }),
  ]);
  for (const pieceBytes of [1, 7, bytes.length])
    assert.deepEqual(decode(bytes, pieceBytes), [['process:event', { a: 2 }]]);
});

test('a skipped message takes no memory, however long it is', () => {
  const head = frame('log:out', '');
  head.writeUInt32BE(0xffff_ffff, head.length - 8);
  const feed = decodeFrames(TOPICS, 1_000, () => assert.fail('no message is expected'));
  feed(head);
  const chunk = Buffer.alloc(1_000_000, 0xff);
  const before = process.memoryUsage().arrayBuffers;
  for (let chunks = 0; chunks < 500; chunks += 1) feed(chunk);
  assert.ok(process.memoryUsage().arrayBuffers - before < 50_000_000);
});
