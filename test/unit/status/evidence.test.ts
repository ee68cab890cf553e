import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CheckDetails, renderEvidence, withEvidence } from '../../../src/status/evidence.ts';
import { WELL } from '../../support/health/health-scenario.ts';
import { NOW_MS, proxyStatus, snapshotOf } from '../../support/health/status-samples.ts';

const CHECK: CheckDetails = {
  startedAt: NOW_MS - 2_000,
  durationMs: 12,
  pid: 4242,
  evidence: { ...WELL, accepts: 'failed', endToEnd: 'unknown' },
  probe: { type: 'http', isNew: false, durationMs: 4, detail: 'accepted nothing within 300 ms' },
  usage: { memoryBytes: 57_400_000, cpuPercent: 2, openFiles: 24, openFilesLimit: 20_000, lagMs: 1.4 },
};
const DOWN = proxyStatus({ port: 7000, label: 'Web', state: 'down', cause: 'not_accepting' });

test('the evidence of a proxy is its verdict, and a value a line, aligned', () => {
  const snapshot = withEvidence(snapshotOf(DOWN), { 'tcp-proxy-7000': CHECK });
  assert.equal(
    renderEvidence(snapshot, 120, NOW_MS),
    [
      '7000  Web  down (not_accepting)',
      '    checked      2.0 s ago, took 12 ms',
      '    pid          4242',
      ...Object.entries(CHECK.evidence).map(([name, value]) => `    ${name.padEnd(13)}${value}`),
      '    probe        http, took 4 ms, the result of an earlier check',
      '    detail       accepted nothing within 300 ms',
      '    memory used  57 MB',
      '    CPU used     2 % of a core',
      '    files used   24/20000',
      '    answer took  1 ms',
      '    clients      none refused',
      '',
    ].join('\n'),
  );
});

test('what nobody knows is called unknown, and a proxy without a check is not checked yet', () => {
  const usage = { memoryBytes: null, cpuPercent: null, openFiles: null, openFilesLimit: null, lagMs: null };
  const probe = { type: 'listen', isNew: true, durationMs: null, detail: null };
  const snapshot = withEvidence(snapshotOf(DOWN, proxyStatus({ port: 7001 })), {
    'tcp-proxy-7000': { ...CHECK, pid: null, probe, usage },
  });
  const text = renderEvidence(snapshot, 120, NOW_MS);
  assert.match(text, /^ {4}pid {10}unknown$/m);
  assert.match(text, /^ {4}probe {8}listen, run since the check before$/m);
  assert.match(text, /^ {4}detail {7}none$/m);
  for (const label of ['memory used', 'CPU used', 'files used', 'answer took'])
    assert.match(text, new RegExp(`^ {4}${label} +unknown$`, 'm'));
  assert.match(
    text,
    /\n\n7001 {2}MCP Inspector Web UI {2}up\n {4}checked {6}not yet\n {4}clients {6}none refused\n$/,
  );
});

test('a long detail goes on in the next line, below its value', () => {
  const detail = 'a TLS certificate that nobody has signed, and that has expired';
  const probe = { ...CHECK.probe, detail };
  const snapshot = withEvidence(snapshotOf(DOWN), { 'tcp-proxy-7000': { ...CHECK, probe } });
  const lines = renderEvidence(snapshot, 50, NOW_MS).split('\n');
  const first = lines.findIndex((line) => line.startsWith('    detail'));
  assert.deepEqual(lines.slice(first, first + 2), [
    '    detail       a TLS certificate that nobody has',
    '                 signed, and that has expired',
  ]);
});

test('evidence that no monitor gave says so', () => {
  const snapshot = withEvidence({ ...snapshotOf(DOWN), monitor: null }, {});
  assert.match(
    renderEvidence(snapshot, 120, NOW_MS),
    /^No monitor answers\. This is from one check just now\.\n\n7000/,
  );
});
