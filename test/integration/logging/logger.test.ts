import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '../../../src/logging/logger.ts';

// Nepal: no other time zone has its offset.
process.env['TZ'] = 'Asia/Kathmandu';

const logged = (
  format: 'text' | 'json',
  text: string,
  fields?: Readonly<Record<string, unknown>>,
): string => {
  let lines = '';
  createLog(format, (line) => {
    lines += line;
  })('failure', text, fields);
  return lines;
};

test('a line for people has the local time in brackets, and nothing but the sentence', () => {
  const before = Math.floor(Date.now() / 1_000) * 1_000;
  const line = logged('text', '⚠️  Proxy for port 6274 is not running', { cause: 'crashed' });
  const match = /^\[(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\] ⚠️ {2}Proxy for port 6274 is not running\n$/.exec(
    line,
  );
  const loggedAt = Date.parse(`${match?.[1]}T${match?.[2]}+05:45`);
  assert.ok(loggedAt >= before && loggedAt <= Date.now(), line);
});

test('a line for machines is one JSON object with its fields, whatever is in the text', () => {
  const line = logged('json', 'two\nlines', { cause: 'crashed', port: 6274 });
  assert.equal(line.indexOf('\n'), line.length - 1);
  const { time, ...rest } = JSON.parse(line) as { time: string };
  assert.deepEqual(rest, { event: 'failure', text: 'two\nlines', cause: 'crashed', port: 6274 });
  assert.equal(new Date(time).toISOString(), time);
});
