import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DECISION_TABLE, judge } from '../../../src/health/decision-table.ts';
import type { Evidence, Verdict } from '../../../src/health/types.ts';
import { UNKNOWN, WELL } from '../../support/health/health-scenario.ts';

/** "failing crashed: start, first_failure", "healthy up", "neutral waiting (upstream_down)" */
const formatVerdict = (verdict: Verdict): string =>
  verdict.kind === 'failing'
    ? `failing ${verdict.cause}: ${verdict.remedies.join(' then ') || 'none'}, ${verdict.actAt}${verdict.state === 'degraded' ? ', degraded' : ''}`
    : verdict.kind === 'ending'
      ? `${verdict.kind}: ${verdict.remedies.join()}`
      : `${verdict.kind} ${verdict.state}${verdict.cause === null ? '' : ` (${verdict.cause})`}`;

type Example = readonly [evidence: Partial<Evidence>, verdict: string];

const rowOf = (evidence: Partial<Evidence>) =>
  DECISION_TABLE.find((row) => row.matches({ ...WELL, ...evidence }));

const testVerdicts = (table: readonly Example[], base: Evidence = WELL, optional = false): void => {
  for (const [evidence, verdict] of table)
    test(`${JSON.stringify(evidence)} → ${verdict}`, () =>
      assert.equal(formatVerdict(judge({ ...base, ...evidence }, optional)), verdict));
};

/** In the order of the table: each finding decides over those below that can occur together with it. */
const EXAMPLES: readonly Example[] = [
  [{ monitor: 'late' }, 'neutral same'],
  [{ monitor: 'out_of_files' }, 'neutral same'],
  [{ pm2: 'stopping', stopping: 'overdue' }, 'ending: kill'],
  [{ pm2: 'stopped' }, 'neutral stopped'],
  [{ pm2: 'stopping' }, 'neutral stopped'],
  [{ pm2: 'stopping', stopping: 'in_time' }, 'neutral stopped'],
  [{ pm2: 'deleted' }, 'neutral stopped'],
  [
    { pm2: 'start_failed', startFiles: 'missing', heartbeat: 'unreachable' },
    'failing cannot_start: none, first_failure',
  ],
  [
    { pm2: 'waiting_restart', startFiles: 'missing', heartbeat: 'unreachable' },
    'failing cannot_start: none, first_failure',
  ],
  [
    { pm2: 'gave_up', startFiles: 'missing', heartbeat: 'unknown' },
    'failing cannot_start: none, first_failure',
  ],
  [
    { crashes: 'loop', startFiles: 'missing', heartbeat: 'unreachable' },
    'failing cannot_start: none, first_failure',
  ],
  [
    { pm2: 'start_failed', startFiles: 'ok', heartbeat: 'unreachable' },
    'failing cannot_start: start, first_failure',
  ],
  [
    { pm2: 'start_failed', crashes: 'loop', heartbeat: 'unknown' },
    'failing cannot_start: start, first_failure',
  ],
  [{ pm2: 'gave_up' }, 'failing crashed: start, first_failure'],
  [{ pm2: 'missing', heartbeat: 'unreachable' }, 'failing crashed: start, first_failure'],
  [{ pm2: 'missing', heartbeat: 'unknown' }, 'failing crashed: start, first_failure'],
  [{ pm2: 'missing', heartbeat: 'silent' }, 'failing crashed: start, first_failure'],
  [{ crashes: 'loop', heartbeat: 'unreachable' }, 'failing crash_loop: none, first_failure'],
  [{ ...WELL, crashes: 'loop' }, 'failing crash_loop: none, first_failure, degraded'],
  [{ pm2: 'waiting_restart' }, 'failing crashed: none, first_failure'],
  [{ process: 'gone' }, 'failing crashed: start, threshold'],
  [{ process: 'zombie' }, 'failing crashed: start, threshold'],
  [{ process: 'stopped' }, 'failing stopped_by_signal: force_restart, threshold'],
  [{ heartbeat: 'silent', process: 'uninterruptible' }, 'failing blocked_in_kernel: none, threshold'],
  [{ heartbeat: 'silent' }, 'failing hung: force_restart, threshold'],
  [{ dataPath: 'stuck' }, 'failing data_path_stuck: force_restart, threshold'],
  [{ pm2: 'launching' }, 'neutral starting'],
  [{ heartbeat: 'unreachable', process: 'unknown', accepts: 'failed' }, 'failing crashed: start, threshold'],
  [{ heartbeat: 'unreachable', accepts: 'failed' }, 'failing hung: force_restart, threshold'],
  [{ heartbeat: 'unreachable', accepts: 'ok' }, 'healthy degraded (no_control_socket)'],
  [{ heartbeat: 'unreachable', accepts: 'unknown' }, 'neutral same'],
  [{ heartbeat: 'unknown' }, 'neutral same'],
  [{ openFiles: 'restart' }, 'failing open_files_limit: restart then force_restart, threshold'],
  [{ memory: 'restart' }, 'failing memory_limit: restart then force_restart, threshold'],
  [{ cpu: 'restart' }, 'failing cpu_limit: restart then force_restart, threshold'],
  [{ lag: 'restart' }, 'failing slow_responses: restart then force_restart, threshold'],
  [{ listening: 'in_use' }, 'failing port_in_use: none, threshold'],
  [{ listening: 'denied' }, 'failing not_listening: none, threshold'],
  [{ listening: 'none' }, 'failing not_listening: relisten then restart then force_restart, threshold'],
  [{ upstream: 'refused' }, 'failing upstream_down: none, threshold'],
  [{ upstream: 'silent' }, 'failing upstream_unhealthy: none, threshold'],
  [{ accepts: 'failed', listening: 'all' }, 'failing not_accepting: relisten then force_restart, threshold'],
  [{ accepts: 'failed', listening: 'some' }, 'failing not_accepting: relisten then force_restart, threshold'],
  [{ endToEnd: 'failed' }, 'failing forwarding_broken: restart then force_restart, threshold'],
  [{ listening: 'not_needed' }, 'healthy not_needed'],
  [{ listening: 'some' }, 'failing port_in_use: none, threshold, degraded'],
  [{ openFiles: 'warn', memory: 'growing', cpu: 'warn', lag: 'warn' }, 'healthy up'],
  [{ pm2: 'missing', heartbeat: 'ok' }, 'healthy up'],
  [{ pm2: 'start_failed', startFiles: 'missing', heartbeat: 'ok' }, 'healthy up'],
  [{ pm2: 'unknown' }, 'healthy up'],
  [{ process: 'uninterruptible', heartbeat: 'ok' }, 'healthy up'],
  [{}, 'healthy up'],
];

describe('each finding has its verdict', () => {
  testVerdicts(EXAMPLES);

  test('and each row of the table has an example', () => {
    const rowsWithExample = EXAMPLES.map(([evidence]) => rowOf(evidence));
    const rowsWithout = DECISION_TABLE.filter((row) => !rowsWithExample.includes(row));
    assert.deepEqual(
      rowsWithout.map(({ finding }) => finding),
      [],
    );
  });
});

describe('a finding decides over every one below that can occur together with it', () => {
  const canOccurTogether = (first: Partial<Evidence>, second: Partial<Evidence>): boolean =>
    Object.entries(first).every(([kind, value]) => (second[kind as keyof Evidence] ?? value) === value);
  for (const [index, [evidence, verdict]] of EXAMPLES.entries())
    test(`${JSON.stringify(evidence)} → ${verdict}`, () => {
      const examplesBelow = EXAMPLES.slice(index + 1).filter(([evidenceBelow]) =>
        canOccurTogether(evidence, evidenceBelow),
      );
      for (const [evidenceBelow, verdictBelow] of examplesBelow)
        assert.equal(
          formatVerdict(judge({ ...WELL, ...evidenceBelow, ...evidence }, false)),
          verdict,
          `with ${JSON.stringify(evidenceBelow)}, which is ${verdictBelow}`,
        );
    });
});

describe('the finding that explains the other one decides', () => {
  testVerdicts([
    [{ pm2: 'stopped', process: 'gone', heartbeat: 'unreachable' }, 'neutral stopped'],
    [{ pm2: 'deleted', heartbeat: 'ok', upstream: 'refused' }, 'neutral stopped'],
    [{ pm2: 'stopping', stopping: 'overdue', process: 'stopped' }, 'ending: kill'],
    [{ pm2: 'stopping', stopping: 'overdue', heartbeat: 'silent' }, 'ending: kill'],
    [{ pm2: 'stopping', stopping: 'in_time', heartbeat: 'silent' }, 'neutral stopped'],
    [{ pm2: 'stopped', stopping: 'overdue' }, 'neutral stopped'],
    [{ pm2: 'gave_up', process: 'gone' }, 'failing crashed: start, first_failure'],
    [{ pm2: 'waiting_restart', process: 'gone' }, 'failing crashed: none, first_failure'],
    [{ pm2: 'launching', process: 'gone' }, 'failing crashed: start, threshold'],
    [{ pm2: 'launching', process: 'stopped' }, 'failing stopped_by_signal: force_restart, threshold'],
    [{ pm2: 'launching', heartbeat: 'silent' }, 'failing hung: force_restart, threshold'],
    [{ pm2: 'launching', heartbeat: 'unreachable' }, 'neutral starting'],
    [{ process: 'gone', heartbeat: 'silent' }, 'failing crashed: start, threshold'],
    [{ process: 'stopped', upstream: 'refused' }, 'failing stopped_by_signal: force_restart, threshold'],
    [{ heartbeat: 'silent', listening: 'not_needed' }, 'failing hung: force_restart, threshold'],
    [{ listening: 'not_needed', accepts: 'failed' }, 'healthy not_needed'],
    [{ listening: 'not_needed', upstream: 'refused' }, 'failing upstream_down: none, threshold'],
    [{ listening: 'denied', upstream: 'refused' }, 'failing not_listening: none, threshold'],
    [{ listening: 'in_use', accepts: 'failed' }, 'failing port_in_use: none, threshold'],
    [
      { listening: 'none', upstream: 'refused' },
      'failing not_listening: relisten then restart then force_restart, threshold',
    ],
    [
      { listening: 'none', accepts: 'failed' },
      'failing not_listening: relisten then restart then force_restart, threshold',
    ],
    [
      { listening: 'some', accepts: 'failed' },
      'failing not_accepting: relisten then force_restart, threshold',
    ],
    [{ listening: 'some', upstream: 'refused' }, 'failing upstream_down: none, threshold'],
    [
      { listening: 'some', endToEnd: 'failed' },
      'failing forwarding_broken: restart then force_restart, threshold',
    ],
    [{ accepts: 'failed', upstream: 'refused' }, 'failing upstream_down: none, threshold'],
    [{ upstream: 'refused', endToEnd: 'failed' }, 'failing upstream_down: none, threshold'],
    [{ upstream: 'silent', endToEnd: 'failed' }, 'failing upstream_unhealthy: none, threshold'],
    [{ pm2: 'gave_up', heartbeat: 'ok' }, 'failing crashed: start, first_failure'],
    [{ crashes: 'loop', pm2: 'gave_up' }, 'failing crashed: start, first_failure'],
    [{ crashes: 'loop', pm2: 'waiting_restart' }, 'failing crash_loop: none, first_failure'],
    [{ crashes: 'loop', process: 'gone' }, 'failing crash_loop: none, first_failure'],
    [{ crashes: 'loop', dataPath: 'stuck' }, 'failing crash_loop: none, first_failure'],
    [{ crashes: 'loop', listening: 'none' }, 'failing crash_loop: none, first_failure'],
    [{ crashes: 'loop', listening: 'in_use' }, 'failing crash_loop: none, first_failure'],
    [{ crashes: 'loop', listening: 'some' }, 'failing crash_loop: none, first_failure, degraded'],
    [{ crashes: 'loop', accepts: 'failed' }, 'failing crash_loop: none, first_failure'],
    [{ crashes: 'loop', upstream: 'refused' }, 'failing crash_loop: none, first_failure'],
    [{ crashes: 'loop', endToEnd: 'failed' }, 'failing crash_loop: none, first_failure'],
    [
      { process: 'uninterruptible', heartbeat: 'unreachable', accepts: 'failed' },
      'failing hung: force_restart, threshold',
    ],
  ]);
});

describe('missing evidence is never a failure', () => {
  testVerdicts(
    [
      [{}, 'neutral same'],
      [{ process: 'alive' }, 'neutral same'],
      [{ pm2: 'online', process: 'alive', listening: 'none' }, 'neutral same'],
      [{ heartbeat: 'ok' }, 'healthy up'],
      [{ heartbeat: 'ok', process: 'alive', upstream: 'ok' }, 'healthy up'],
    ],
    UNKNOWN,
  );
});

describe('the upstream of an optional proxy may be off, and every other finding counts as usual', () => {
  testVerdicts(
    [
      [{ upstream: 'refused' }, 'neutral waiting (upstream_down)'],
      [{ upstream: 'refused', endToEnd: 'failed' }, 'neutral waiting (upstream_down)'],
      [{ upstream: 'silent' }, 'neutral waiting (upstream_unhealthy)'],
      [{ upstream: 'refused', accepts: 'failed' }, 'neutral waiting (upstream_down)'],
      [{ upstream: 'refused', heartbeat: 'silent' }, 'failing hung: force_restart, threshold'],
      [{ endToEnd: 'failed' }, 'failing forwarding_broken: restart then force_restart, threshold'],
      [{}, 'healthy up'],
    ],
    WELL,
    true,
  );
});
