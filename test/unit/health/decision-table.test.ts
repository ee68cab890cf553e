import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { DECISION_TABLE, type DecisionRow } from '../../../src/health/decision-table.ts';

const PATH = 'docs/decision-table.md';

const HEAD = `# The decision table

What the monitor makes of one look at a proxy: the first row that fits decides. Made from \`src/core/decision.ts\` by
\`npm run table\`.

A state of \`down\` is \`degraded\` until the verdict is acted on: at failure 1, or at \`failureThreshold\`. Cures are
tried in their order, one at a time, within the restart budget. While an upstream may be off (\`optional\`), its causes
are the state \`waiting\` instead.

| # | Finding | State | Cause | Cures | Acted on | Why |
|---|---|---|---|---|---|---|
`;

const render = ({ finding, verdict, why }: DecisionRow, at: number): string => {
  const [state, cures, when] =
    verdict.kind === 'failing'
      ? [
          'down',
          verdict.remedies.join(', then ') || 'none',
          verdict.actAt === 'first_failure' ? 'at failure 1' : 'at the threshold',
        ]
      : [
          verdict.state === 'same' ? 'as it was' : verdict.state,
          verdict.kind === 'ending' ? verdict.remedies.join() : '',
          verdict.kind === 'ending' ? 'at once' : '',
        ];
  const cells = [at + 1, finding, state, verdict.cause ? `\`${verdict.cause}\`` : '', cures, when, why];
  return `| ${cells.join(' | ')} |\n`;
};

test('docs/decision-table.md is what the decision table says', () => {
  const page = HEAD + DECISION_TABLE.map(render).join('');
  if (process.env['STEADYPORT_WRITE_TABLE']) writeFileSync(PATH, page);
  assert.equal(readFileSync(PATH, 'utf8'), page, 'run: npm run table');
});
