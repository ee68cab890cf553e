import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeCopies, type Reporter } from '../../../src/status/copies.ts';

const NAME = 'tcp-proxy-6274';
const OWN = { pid: 100, home: '/home/ann/.pm2' };
const OTHER = { pid: 200, home: '/tmp/pm2' };

const describe = (count: number, reporter: Reporter | null, own: typeof OWN | null = OWN) =>
  describeCopies(new Map([[NAME, count]]), new Map([[NAME, reporter]]), own);

test('copies in one PM2 are a problem, and one app, or none, is not', () => {
  for (const count of [0, 1]) assert.equal(describe(count, null), null);
  assert.deepEqual(describe(2, null), {
    reason: '2 copies of tcp-proxy-6274 run in PM2, of which one works and the others stand by',
    nextStep: 'npx pm2 scale tcp-proxy-6274 1, or npm start',
  });
});

test('a port that the process of another PM2 has is a problem, with whose it is and what ends that', () => {
  const problem = describe(1, { pid: 7, supervisor: OTHER });
  assert.match(problem?.reason ?? '', /held by pid 7 of the PM2 in \/tmp\/pm2 \(its daemon is pid 200\)/);
  assert.equal(problem?.nextStep, 'npm stop with PM2_HOME=/tmp/pm2');
});

test('a port of this PM2, of an orphan, of a proxy that does not say, or for a monitor without PM2 is none', () => {
  for (const reporter of [{ pid: 7, supervisor: OWN }, { pid: 7, supervisor: null }, { pid: 7 }, null])
    assert.equal(describe(1, reporter), null);
  assert.equal(describe(1, { pid: 7, supervisor: OTHER }, null), null);
});
