import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDeadMansSwitch, createPing } from '../../../src/alerting/dead-mans-switch.ts';
import type { Delivery } from '../../../src/alerting/delivery.ts';
import { Secret } from '../../../src/config/secrets.ts';
import { answer, hang, openReceiver } from '../../support/alerting/http-receiver.ts';

const OK: Delivery = { ok: true };
const failed = (retryAfterMs: number | null = null): Delivery => ({
  ok: false,
  problem: 'HTTP 500',
  retryAfterMs,
  isFinal: false,
});

/** A switch that `tickUntil` ticks once a second, from the last tick on, up to and without `toS`. */
const rig = () => {
  const state: { delivery: Delivery } = { delivery: OK };
  const pings: number[] = [];
  const lines: string[] = [];
  let nowS = 0;
  const deadMansSwitch = createDeadMansSwitch(
    async () => {
      pings.push(nowS);
      return state.delivery;
    },
    (event, text) => lines.push(`${event}: ${text}`),
  );
  const tickUntil = async (toS: number, isWell: boolean): Promise<void> => {
    for (; nowS < toS; nowS += 1) await deadMansSwitch.tick(nowS * 1_000, isWell);
  };
  return { state, pings, lines, tickUntil, deadMansSwitch };
};

test('it pings at once and then every 60 s while all is well, and logs nothing', async () => {
  const { pings, lines, tickUntil } = rig();
  await tickUntil(200, true);
  assert.deepEqual([pings, lines], [[0, 60, 120, 180], []]);
});

test('it does not ping while something is not well, and at once when all is well again', async () => {
  const { pings, tickUntil } = rig();
  await tickUntil(100, false);
  assert.deepEqual(pings, []);
  await tickUntil(130, true);
  await tickUntil(145, false);
  await tickUntil(220, true);
  assert.deepEqual(pings, [100, 145, 205]);
});

test('a port that goes up and down does not ping without end', async () => {
  const { pings, tickUntil } = rig();
  for (let at = 1; at <= 60; at += 1) await tickUntil(at, at % 2 === 0);
  assert.deepEqual(pings, [1, 17, 33, 49]);
});

test('a failed ping is tried again every 15 s, or when the receiver says, and logged once', async () => {
  const { state, pings, lines, tickUntil } = rig();
  state.delivery = failed();
  await tickUntil(40, true);
  state.delivery = failed(30_000);
  await tickUntil(50, true);
  assert.deepEqual(pings, [0, 15, 30, 45]);
  await tickUntil(75, true);
  assert.deepEqual(pings, [0, 15, 30, 45]);
  state.delivery = OK;
  await tickUntil(200, true);
  assert.deepEqual(pings, [0, 15, 30, 45, 75, 135, 195]);
  assert.deepEqual(lines, [
    'heartbeat_failed: The heartbeat cannot be sent: HTTP 500; trying again',
    'heartbeat_recovered: The heartbeat is sent again, after 75.0 s',
  ]);
});

test('a clock that is set back does not keep it from pinging', async () => {
  const { pings, deadMansSwitch } = rig();
  await deadMansSwitch.tick(1_000_000, true);
  await deadMansSwitch.tick(0, true);
  assert.equal(pings.length, 2);
});

test('it is one GET, to the URL as it is', async () => {
  const receiver = await openReceiver(answer(200, 'OK'));
  const ping = createPing(new Secret(`${receiver.url}/uuid?status=up`));
  assert.deepEqual(await ping(new AbortController().signal), OK);
  const [{ method, path, text } = assert.fail('nothing came')] = receiver.received;
  assert.deepEqual([method, path, text], ['GET', '/uuid?status=up', '']);
});

test('one ping at a time, and none after the end, which ends the one under way', async () => {
  const receiver = await openReceiver(hang);
  const lines: string[] = [];
  const deadMansSwitch = createDeadMansSwitch(createPing(new Secret(receiver.url)), (_, text) =>
    lines.push(text),
  );
  const first = deadMansSwitch.tick(0, true);
  await receiver.got(1);
  await deadMansSwitch.tick(100_000, true);
  deadMansSwitch.stop();
  await first;
  await deadMansSwitch.tick(200_000, true);
  assert.deepEqual([receiver.received.length, lines], [1, []]);
});
