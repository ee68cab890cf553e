import { loadSource } from './sources.js';

const HEAD = `# How are the states and causes decided?

How the monitor judges a proxy after each check: the first row that matches decides. Generated from
\`src/health/decision-table.ts\` by \`npm run generate\`.

A port that is \`down\` by this table is shown as \`degraded\` until the verdict is acted on: at failure 1, or at
\`failureThreshold\`. Remedies are tried in their order, one at a time, and the last one is repeated, as long as
\`maxRestarts\` allows. While an upstream may be off (\`optional\`), its causes make the state \`waiting\` instead.

| # | Finding | State | Cause | Remedies | Acted on | Why |
|---|---|---|---|---|---|---|
`;

/** docs/decision-table.md: one row for each row of the table in the code. */
export const makeDecisionTable = () => {
  const { DECISION_TABLE } = loadSource('src/health/decision-table.ts');
  return HEAD + DECISION_TABLE.map(renderRow).join('');
};

const renderRow = ({ finding, verdict, why }, index) => {
  const { state, remedies, actAt } = describeVerdict(verdict);
  const cause = verdict.cause ? `\`${verdict.cause}\`` : '';
  return `| ${[index + 1, finding, state, cause, remedies, actAt, why].join(' | ')} |\n`;
};

/** The columns State, Remedies and Acted on. */
const describeVerdict = (verdict) => {
  if (verdict.kind === 'failing') {
    const actAt = verdict.actAt === 'first_failure' ? 'at failure 1' : 'at the threshold';
    return { state: verdict.state, remedies: verdict.remedies.join(', then ') || 'none', actAt };
  }
  if (verdict.kind === 'ending')
    return { state: verdict.state, remedies: verdict.remedies.join(), actAt: 'at once' };
  return { state: verdict.state === 'same' ? 'as it was' : verdict.state, remedies: '', actAt: '' };
};
