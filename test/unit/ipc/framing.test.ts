import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { frame, onLine } from '../../../src/ipc/framing.ts';

/** The lines that come of the chunks, when the peer leaves after the last. */
const linesOf = async (chunks: readonly Buffer[]): Promise<string[]> => {
  const stream = new PassThrough();
  const lines: string[] = [];
  onLine(stream as unknown as Socket, (line) => lines.push(line));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  for await (const _ of stream);
  return lines;
};

test('messages arrive whole, wherever the bytes are cut', async () => {
  const messages = [{ id: 1, text: 'a\nb' }, { id: 2, text: 'line\u2028paragraph\u2029€😀' }, {}];
  const bytes = Buffer.from(messages.map(frame).join(''));
  const expected = messages.map((message) => JSON.stringify(message));
  assert.deepEqual(await linesOf([bytes]), expected);
  assert.deepEqual(await linesOf([...bytes].map((byte) => Buffer.of(byte))), expected);
  for (let cut = 1; cut < bytes.length; cut += 1)
    assert.deepEqual(await linesOf([bytes.subarray(0, cut), bytes.subarray(cut)]), expected, `cut at ${cut}`);
});

test('a line that the peer did not end is dropped', async () => {
  assert.deepEqual(await linesOf([Buffer.from('{"id":1}\n{"id'), Buffer.from('":2}')]), ['{"id":1}']);
});
