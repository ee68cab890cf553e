import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isProxyFault } from '../../../src/health/causes.ts';
import { DECISION_TABLE, judge } from '../../../src/health/decision-table.ts';
import type { Evidence, Verdict } from '../../../src/health/types.ts';
import { anyEvidence, KINDS, NO_FAULT } from '../../support/arbitrary-evidence.ts';

const RUNS = { numRuns: 5_000 };
const curesOf = (verdict: Verdict): readonly string[] => (verdict.kind === 'failing' ? verdict.remedies : []);

test('whatever was seen, a row of the table fits', () => {
  fc.assert(
    fc.property(anyEvidence(), fc.boolean(), (seen, optional) => {
      const row = DECISION_TABLE.find((one) => one.matches(seen));
      assert.ok(row);
      const { verdict } = row;
      const isAway = verdict.cause === 'upstream_down' || verdict.cause === 'upstream_unhealthy';
      if (!optional || !isAway) assert.deepEqual(judge(seen, optional), verdict);
      else assert.deepEqual(judge(seen, true), { kind: 'neutral', state: 'waiting', cause: verdict.cause });
    }),
    RUNS,
  );
});

test('a verdict that fails has a cause, and each of its cures once', () => {
  for (const { verdict } of DECISION_TABLE) {
    const cures = curesOf(verdict);
    assert.equal(new Set(cures).size, cures.length, JSON.stringify(verdict));
    if (verdict.kind === 'failing' && !isProxyFault(verdict.cause))
      assert.deepEqual(cures, [], verdict.cause);
  }
});

test('where nothing is at fault nothing fails, however much of it is unknown', () => {
  fc.assert(
    fc.property(anyEvidence(NO_FAULT), (seen) => assert.equal(judge(seen, false).kind, 'healthy')),
    RUNS,
  );
});

test('to know less is no failure, unless what is not known was an excuse', () => {
  // What excuses a failure: the operator's wish, a port that is not needed, and an answer of what PM2 does not have.
  const isExcuse = (seen: Evidence, kind: keyof Evidence): boolean =>
    kind === 'monitor' ||
    (kind === 'pm2' && seen.pm2 !== 'online') ||
    (kind === 'listening' && seen.listening === 'not_needed') ||
    (kind === 'heartbeat' && seen.pm2 === 'missing');
  fc.assert(
    fc.property(anyEvidence(), fc.constantFrom(...KINDS), (seen, kind) => {
      if (kind === 'crashes' || isExcuse(seen, kind)) return;
      const before = judge(seen, false);
      const after = judge({ ...seen, [kind]: 'unknown' }, false);
      if (after.kind === 'failing') assert.equal(before.kind, 'failing', `${kind} unknown`);
    }),
    RUNS,
  );
});

test("an upstream's fault is never cured, alone or with anything that is no fault", () => {
  const away = anyEvidence({
    ...NO_FAULT,
    upstream: ['refused', 'silent'],
    endToEnd: ['ok', 'failed', 'unknown'],
  });
  fc.assert(
    fc.property(away, fc.boolean(), (seen, optional) => {
      const verdict = judge(seen, optional);
      assert.equal(verdict.cause, seen.upstream === 'refused' ? 'upstream_down' : 'upstream_unhealthy');
      assert.deepEqual(curesOf(verdict), []);
      assert.equal(verdict.kind, optional ? 'neutral' : 'failing');
    }),
    RUNS,
  );
});

test('what the operator stopped is left alone, whatever else was seen, or helped to go', () => {
  fc.assert(
    fc.property(anyEvidence({ pm2: ['stopped', 'stopping', 'deleted'] }), fc.boolean(), (seen, optional) => {
      const state = seen.monitor === 'late' ? 'same' : 'stopped';
      const isOverdue = state === 'stopped' && seen.pm2 === 'stopping' && seen.stopping === 'overdue';
      const ending = { kind: 'ending', state, cause: null, remedies: ['kill'] };
      const neutral = { kind: 'neutral', state, cause: null };
      assert.deepEqual(judge(seen, optional), isOverdue ? ending : neutral);
    }),
    RUNS,
  );
});
