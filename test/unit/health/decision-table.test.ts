import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { DECISION_TABLE, type DecisionRow } from '../../../src/health/decision-table.ts';
import type { Verdict } from '../../../src/health/types.ts';

const PATH = 'docs/decision-table.md';

const HEAD = `# The decision table

How the monitor judges a proxy after each check: the first row that matches decides. Generated from
\`src/health/decision-table.ts\` by \`npm run table\`.

A port that is \`down\` by this table is shown as \`degraded\` until the verdict is acted on: at failure 1, or at
\`failureThreshold\`. Remedies are tried in their order, one at a time, and the last one is repeated, as long as
\`maxRestarts\` allows. While an upstream may be off (\`optional\`), its causes make the state \`waiting\` instead.

| # | Finding | State | Cause | Remedies | Acted on | Why |
|---|---|---|---|---|---|---|
`;

/** The columns State, Remedies and Acted on. */
const describeVerdict = (verdict: Verdict): { state: string; remedies: string; actAt: string } => {
  if (verdict.kind === 'failing') {
    const actAt = verdict.actAt === 'first_failure' ? 'at failure 1' : 'at the threshold';
    return { state: 'down', remedies: verdict.remedies.join(', then ') || 'none', actAt };
  }
  if (verdict.kind === 'ending')
    return { state: verdict.state, remedies: verdict.remedies.join(), actAt: 'at once' };
  return { state: verdict.state === 'same' ? 'as it was' : verdict.state, remedies: '', actAt: '' };
};

const renderRow = ({ finding, verdict, why }: DecisionRow, index: number): string => {
  const { state, remedies, actAt } = describeVerdict(verdict);
  const cause = verdict.cause ? `\`${verdict.cause}\`` : '';
  return `| ${[index + 1, finding, state, cause, remedies, actAt, why].join(' | ')} |\n`;
};

test('docs/decision-table.md matches the decision table', () => {
  const page = HEAD + DECISION_TABLE.map(renderRow).join('');
  if (process.env['STEADYPORT_WRITE_TABLE']) writeFileSync(PATH, page);
  assert.equal(readFileSync(PATH, 'utf8'), page, 'run: npm run table');
});
