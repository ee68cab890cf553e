import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../src/lib/usage-error.ts';
import { describeDrift } from '../../../src/status/config-drift.ts';
import { joinProblem, MONITOR_PROBLEM_KINDS } from '../../../src/status/monitor-problem.ts';

const at = (hours: number, minutes: number): number => new Date(2026, 10, 30, hours, minutes).getTime();
const BASE = {
  acceptedAt: at(9, 5),
  file: 'steadyport.json',
  path: '/a/steadyport.json',
  editedAt: at(12, 3),
};
const error = new UsageError('…');

test('an edit that was not applied', () => {
  const edited = { ...BASE, kind: 'edited' } as const;
  assert.equal(
    joinProblem(describeDrift({ ...edited, differences: ['port 6280 is new', 'port 6277 differs'] })),
    'steadyport.json was edited at 2026-11-30 12:03 and not applied (port 6280 is new, port 6277 differs): npm start',
  );
  assert.equal(
    joinProblem(describeDrift({ ...edited, editedAt: null, differences: ['the order differs'] })),
    'steadyport.json was edited and not applied (the order differs): npm start',
  );
});

test('an edit with mistakes, and a file that is gone', () => {
  const broken = { ...BASE, kind: 'broken', error } as const;
  assert.equal(
    joinProblem(describeDrift(broken)),
    'steadyport.json has mistakes since an edit at 2026-11-30 12:03, and what runs goes on with the config of 2026-11-30 09:05: npm run check-config',
  );
  assert.equal(
    joinProblem(describeDrift({ ...broken, editedAt: null })),
    '/a/steadyport.json cannot be looked at, and what runs goes on with the config of 2026-11-30 09:05: npm run check-config',
  );
  assert.equal(
    joinProblem(describeDrift({ ...broken, kind: 'missing', editedAt: null })),
    '/a/steadyport.json is gone, and what runs goes on with the config of 2026-11-30 09:05: put it back, or, where it was moved, in its new folder: npm start',
  );
});

test('the line of the status says once what is wrong with the config', () => {
  const lineOf = (drift: Parameters<typeof describeDrift>[0]): string => {
    const { kind, ...problem } = describeDrift(drift);
    return `${MONITOR_PROBLEM_KINDS[kind].label}  ${joinProblem(problem)}`;
  };
  assert.equal(lineOf({ ...BASE, kind: 'edited', differences: [] }).match(/not applied/g)?.length, 1);
  assert.equal(lineOf({ ...BASE, kind: 'broken', error }).match(/has mistakes/g)?.length, 1);
});
