import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createQuietHours } from '../../../../src/alerting/policy/quiet-hours.ts';

test('quiet hours are from the first minute up to the last, over midnight too, in their own time zone', () => {
  const table: readonly [from: string, to: string, timeZone: string, at: string, isQuiet: boolean][] = [
    ['22:00', '07:00', 'UTC', '2026-01-05T21:59:59Z', false],
    ['22:00', '07:00', 'UTC', '2026-01-05T22:00:00Z', true],
    ['22:00', '07:00', 'UTC', '2026-01-06T00:00:00Z', true],
    ['22:00', '07:00', 'UTC', '2026-01-06T06:59:59Z', true],
    ['22:00', '07:00', 'UTC', '2026-01-06T07:00:00Z', false],
    ['12:00', '13:30', 'UTC', '2026-01-05T13:29:00Z', true],
    ['12:00', '13:30', 'UTC', '2026-01-05T13:30:00Z', false],
    ['22:00', '07:00', 'Europe/Berlin', '2026-01-05T21:00:00Z', true],
    ['22:00', '07:00', 'Europe/Berlin', '2026-07-05T20:00:00Z', true],
    ['22:00', '07:00', 'Asia/Kolkata', '2026-01-05T16:29:00Z', false],
    ['22:00', '07:00', 'Asia/Kolkata', '2026-01-05T16:30:00Z', true],
  ];
  for (const [from, to, timeZone, at, isQuiet] of table)
    assert.equal(
      createQuietHours({ from, to, timeZone })(Date.parse(at)),
      isQuiet,
      `${from} ${timeZone} ${at}`,
    );
  assert.equal(createQuietHours(undefined)(0), false);
});
