import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isProxyFault } from '../../../src/health/causes.ts';
import { DECISION_TABLE, judge } from '../../../src/health/decision-table.ts';
import type { Evidence, Verdict } from '../../../src/health/types.ts';
import { anyEvidence, KINDS, NO_FAULT } from '../../support/health/arbitrary-evidence.ts';

const RUNS = { numRuns: 5_000 };
const remediesOf = (verdict: Verdict): readonly string[] =>
  verdict.kind === 'failing' ? verdict.remedies : [];

test('a row of the table matches any evidence', () => {
  fc.assert(
    fc.property(anyEvidence(), fc.boolean(), (evidence, optional) => {
      const row = DECISION_TABLE.find(({ matches }) => matches(evidence));
      assert.ok(row);
      const { verdict } = row;
      const isAway = verdict.cause === 'upstream_down' || verdict.cause === 'upstream_unhealthy';
      if (!optional || !isAway) assert.deepEqual(judge(evidence, optional), verdict);
      else
        assert.deepEqual(judge(evidence, true), { kind: 'neutral', state: 'waiting', cause: verdict.cause });
    }),
    RUNS,
  );
});

test('a failing verdict has each of its remedies once, and none for a fault outside the proxy', () => {
  for (const { verdict } of DECISION_TABLE) {
    const remedies = remediesOf(verdict);
    assert.equal(new Set(remedies).size, remedies.length, JSON.stringify(verdict));
    if (verdict.kind === 'failing' && !isProxyFault(verdict.cause))
      assert.deepEqual(remedies, [], verdict.cause);
  }
});

test('without a fault nothing fails, however much is unknown', () => {
  fc.assert(
    fc.property(anyEvidence(NO_FAULT), (evidence) => assert.equal(judge(evidence, false).kind, 'healthy')),
    RUNS,
  );
});

test('to know less is no failure, unless the missing evidence was an excuse', () => {
  // These excuse a failure: a stop by the operator, a port that is not needed, and an answer of a proxy that PM2 does
  // not list, or cannot start.
  const isExcuse = (evidence: Evidence, kind: keyof Evidence): boolean =>
    kind === 'monitor' ||
    (kind === 'pm2' && evidence.pm2 !== 'online') ||
    (kind === 'listening' && evidence.listening === 'not_needed') ||
    (kind === 'heartbeat' &&
      (evidence.pm2 === 'missing' || evidence.pm2 === 'start_failed' || evidence.startFiles === 'missing'));
  fc.assert(
    fc.property(anyEvidence(), fc.constantFrom(...KINDS), (evidence, kind) => {
      if (kind === 'crashes' || isExcuse(evidence, kind)) return;
      const before = judge(evidence, false);
      const after = judge({ ...evidence, [kind]: 'unknown' }, false);
      if (after.kind === 'failing') assert.equal(before.kind, 'failing', `${kind} unknown`);
    }),
    RUNS,
  );
});

test("an upstream's fault has no remedy, alone or with anything that is no fault", () => {
  const away = anyEvidence({
    ...NO_FAULT,
    upstream: ['refused', 'silent'],
    endToEnd: ['ok', 'failed', 'unknown'],
  });
  fc.assert(
    fc.property(away, fc.boolean(), (evidence, optional) => {
      const verdict = judge(evidence, optional);
      assert.equal(verdict.cause, evidence.upstream === 'refused' ? 'upstream_down' : 'upstream_unhealthy');
      assert.deepEqual(remediesOf(verdict), []);
      assert.equal(verdict.kind, optional ? 'neutral' : 'failing');
    }),
    RUNS,
  );
});

test('a proxy that the operator stopped is left alone, or killed when overdue, whatever else is found', () => {
  fc.assert(
    fc.property(
      anyEvidence({ pm2: ['stopped', 'stopping', 'deleted'] }),
      fc.boolean(),
      (evidence, optional) => {
        const state = evidence.monitor === 'in_time' ? 'stopped' : 'same';
        const isOverdue =
          state === 'stopped' && evidence.pm2 === 'stopping' && evidence.stopping === 'overdue';
        const ending = { kind: 'ending', state, cause: null, remedies: ['kill'] };
        const neutral = { kind: 'neutral', state, cause: null };
        assert.deepEqual(judge(evidence, optional), isOverdue ? ending : neutral);
      },
    ),
    RUNS,
  );
});
