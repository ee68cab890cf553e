import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Evidence, judge, type Verdict } from '../../src/core/decision.ts';
import { UNKNOWN, WELL } from './health-story.ts';

/** "failing crashed: start, once", "healthy up", "neutral waiting (upstream_down)" */
const inShort = (verdict: Verdict): string =>
  verdict.kind === 'failing'
    ? `failing ${verdict.cause}: ${verdict.cures.join(' then ') || 'none'}, ${verdict.at}`
    : `${verdict.kind} ${verdict.state}${verdict.cause === null ? '' : ` (${verdict.cause})`}`;

type Row = readonly [seen: Partial<Evidence>, verdict: string];

const check = (table: readonly Row[], base: Evidence = WELL, optional = false): void => {
  for (const [seen, verdict] of table)
    test(`${JSON.stringify(seen)} → ${verdict}`, () =>
      assert.equal(inShort(judge({ ...base, ...seen }, optional)), verdict));
};

describe('each finding has its verdict', () => {
  check([
    [{}, 'healthy up'],
    [{ pm2: 'stopped' }, 'neutral stopped'],
    [{ pm2: 'stopping' }, 'neutral stopped'],
    [{ pm2: 'deleted' }, 'neutral stopped'],
    [{ pm2: 'missing' }, 'healthy up'],
    [{ pm2: 'missing', heartbeat: 'unreachable' }, 'failing crashed: start, once'],
    [{ pm2: 'missing', heartbeat: 'unknown' }, 'failing crashed: start, once'],
    [{ pm2: 'missing', heartbeat: 'silent' }, 'failing crashed: start, once'],
    [{ pm2: 'gave_up' }, 'failing crashed: start, once'],
    [{ pm2: 'waiting_restart' }, 'failing crashed: none, once'],
    [{ process: 'gone' }, 'failing crashed: start, threshold'],
    [{ process: 'stopped' }, 'failing suspended: forced, threshold'],
    [{ heartbeat: 'silent' }, 'failing hung: forced, threshold'],
    [{ heartbeat: 'unreachable' }, 'failing hung: forced, threshold'],
    [{ heartbeat: 'unreachable', process: 'unknown' }, 'failing crashed: start, threshold'],
    [{ pm2: 'launching' }, 'neutral starting'],
    [{ pm2: 'unknown' }, 'healthy up'],
    [{ listening: 'not_needed' }, 'healthy not_needed'],
    [{ listening: 'in_use' }, 'failing port_in_use: none, threshold'],
    [{ listening: 'none' }, 'failing not_listening: listen then graceful then forced, threshold'],
    [{ listening: 'some' }, 'healthy degraded (port_in_use)'],
    [{ accepts: 'failed' }, 'failing not_accepting: listen then forced, threshold'],
    [{ upstream: 'refused' }, 'failing upstream_down: none, threshold'],
    [{ endToEnd: 'failed' }, 'failing forwarding_broken: graceful then forced, threshold'],
  ]);
});

describe('of two findings the one that explains the other decides', () => {
  check([
    [{ pm2: 'stopped', process: 'gone', heartbeat: 'unreachable' }, 'neutral stopped'],
    [{ pm2: 'deleted', heartbeat: 'ok', upstream: 'refused' }, 'neutral stopped'],
    [{ pm2: 'gave_up', process: 'gone' }, 'failing crashed: start, once'],
    [{ pm2: 'waiting_restart', process: 'gone' }, 'failing crashed: none, once'],
    [{ pm2: 'launching', process: 'gone' }, 'failing crashed: start, threshold'],
    [{ pm2: 'launching', process: 'stopped' }, 'failing suspended: forced, threshold'],
    [{ pm2: 'launching', heartbeat: 'silent' }, 'failing hung: forced, threshold'],
    [{ pm2: 'launching', heartbeat: 'unreachable' }, 'neutral starting'],
    [{ process: 'gone', heartbeat: 'silent' }, 'failing crashed: start, threshold'],
    [{ process: 'stopped', upstream: 'refused' }, 'failing suspended: forced, threshold'],
    [{ heartbeat: 'silent', listening: 'not_needed' }, 'failing hung: forced, threshold'],
    [{ listening: 'not_needed', accepts: 'failed' }, 'healthy not_needed'],
    [{ listening: 'not_needed', upstream: 'refused' }, 'failing upstream_down: none, threshold'],
    [{ listening: 'in_use', accepts: 'failed' }, 'failing port_in_use: none, threshold'],
    [
      { listening: 'none', upstream: 'refused' },
      'failing not_listening: listen then graceful then forced, threshold',
    ],
    [{ listening: 'some', accepts: 'failed' }, 'failing not_accepting: listen then forced, threshold'],
    [{ listening: 'some', upstream: 'refused' }, 'failing upstream_down: none, threshold'],
    [{ listening: 'some', endToEnd: 'failed' }, 'failing forwarding_broken: graceful then forced, threshold'],
    [{ accepts: 'failed', upstream: 'refused' }, 'failing not_accepting: listen then forced, threshold'],
    [{ upstream: 'refused', endToEnd: 'failed' }, 'failing upstream_down: none, threshold'],
  ]);
});

describe('missing evidence is never a failure', () => {
  check(
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

describe('the upstream of an optional proxy may be off, and everything else counts as always', () => {
  check(
    [
      [{ upstream: 'refused' }, 'neutral waiting (upstream_down)'],
      [{ upstream: 'refused', endToEnd: 'failed' }, 'neutral waiting (upstream_down)'],
      [{ upstream: 'refused', accepts: 'failed' }, 'failing not_accepting: listen then forced, threshold'],
      [{ upstream: 'refused', heartbeat: 'silent' }, 'failing hung: forced, threshold'],
      [{ endToEnd: 'failed' }, 'failing forwarding_broken: graceful then forced, threshold'],
      [{}, 'healthy up'],
    ],
    WELL,
    true,
  );
});
