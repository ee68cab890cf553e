import { makeConfigTables } from './config-tables.js';
import { readFields, readList, readType, readUnion } from './declarations.js';
import { makeExamples, symbolOf } from './examples.js';
import { code, table } from './markdown.js';
import { loadSource } from './sources.js';

/** The parts of the pages of docs/ that are made from the code, by their names. */
export const makeDocsTables = () => ({
  ...makeConfigTables(),
  ...makeExamples(),
  channels: channelTable(),
  'channel-names': channelNames(),
  metrics: metricTable(),
  commands: commandTable(),
  states: stateTable(),
  causes: causeTable(),
  'monitor-problems': monitorProblemTable(),
  evidence: evidenceTable(),
  'evidence-pm2': pm2Table(),
  'close-reasons': closeReasonTable(),
});

const channelTable = () => {
  const { CHANNELS } = loadSource('src/kinds/channels/registry.ts');
  return table(
    ['Variable', 'Such as', 'What is sent'],
    CHANNELS.map(({ variable, example, description }) => [code(variable), code(example), description]),
  );
};

const channelNames = () => {
  const { CHANNELS } = loadSource('src/kinds/channels/registry.ts');
  return `${CHANNELS.map(({ name }) => code(name)).join(', ')}\n`;
};

const metricTable = () => {
  const { MONITOR_METRICS, PROXY_METRICS } = loadSource('src/metrics/table.ts');
  const rows = [
    ...MONITOR_METRICS,
    ...PROXY_METRICS.map((row) => ({ ...row, labels: ['proxy', ...row.labels] })),
  ];
  return table(
    ['Metric', 'Type', 'Labels', 'Meaning'],
    rows.map(({ name, type, labels, help }) => [code(name), type, labels.map(code).join(', '), help]),
  );
};

const commandTable = () => {
  const { COMMANDS } = loadSource('src/commands/table.ts');
  const { exitCodesOf } = loadSource('src/commands/arguments.ts');
  return table(
    ['Command', 'What it does', 'Exit codes'],
    Object.values(COMMANDS).map((command) => [
      code(command.usage),
      command.description,
      exitCodesOf(command)
        .filter(([exitCode]) => exitCode !== '2')
        .map(([exitCode, meaning]) => `${exitCode}: ${meaning}`)
        .join('<br>'),
    ]),
  );
};

const stateTable = () =>
  table(
    ['State', '', 'Meaning'],
    readList('src/health/state.ts', 'PROXY_STATES').map(({ member, text }) => [
      code(member),
      symbolOf(member),
      text,
    ]),
  );

const monitorProblemTable = () => {
  const { MONITOR_PROBLEM_KINDS } = loadSource('src/status/monitor-problem.ts');
  return table(
    ['Kind', 'The first line of the status', 'The ports meanwhile'],
    Object.entries(MONITOR_PROBLEM_KINDS).map(([kind, { headline, ports }]) => [
      code(kind),
      headline,
      PORTS_MEANWHILE[ports],
    ]),
  );
};

const NOT_SUPERVISED = 'the exit code is 1, `/readyz` answers 503';
const PORTS_MEANWHILE = {
  watched: 'are watched as usual',
  unsupervised: `are not supervised: ${NOT_SUPERVISED}`,
  unseen: `are not seen, and the status has what was seen last: ${NOT_SUPERVISED}`,
};

const causeTable = () => {
  const { DECISION_TABLE } = loadSource('src/health/decision-table.ts');
  const { describeCause, REMEDY_TEXTS } = loadSource('src/health/cause-text.ts');
  const subject = { place: 'port 6274', upstream: 'localhost:6274' };
  const rowsOf = (cause) =>
    DECISION_TABLE.flatMap(({ verdict }, index) =>
      verdict.kind === 'failing' && verdict.cause === cause ? [{ row: index + 1, verdict }] : [],
    );
  const actionsOf = (cause) => {
    const verdicts = rowsOf(cause).map(({ verdict }) => verdict);
    const actions = verdicts.map(({ remedies, actAt }) => {
      if (remedies.length === 0) return 'nothing by the monitor';
      const when = actAt === 'threshold' ? 'at the threshold' : 'at failure 1';
      return `${remedies.map((remedy) => REMEDY_TEXTS[remedy]).join(', then ')}, ${when}`;
    });
    return [...new Set(actions)].join('; or ');
  };
  return table(
    ['Cause', 'Meaning', 'What is done', 'Row', 'In the log'],
    readList('src/health/types.ts', 'CAUSES').map(({ member, text }) => [
      code(member),
      text,
      actionsOf(member),
      rowsOf(member)
        .map(({ row }) => row)
        .join(', '),
      code(`… ${describeCause(member, subject).replace('Proxy for port 6274 ', '')}`),
    ]),
  );
};

const evidenceTable = () => {
  const fields = readFields('src/health/types.ts', 'Evidence');
  return table(
    ['Finding', 'Values', 'Meaning'],
    fields.map(({ field, type, text }) => [code(field), valuesOf(type), text]),
  );
};

/** The values of a field's type. A named type stands for its values, unless it has a table of its own. */
const valuesOf = (type) =>
  type
    .split(' | ')
    .map((member) => {
      if (member.startsWith("'")) return code(member.slice(1, -1));
      return member === 'Pm2Evidence' ? 'see below' : valuesOf(readType('src/health/types.ts', member));
    })
    .join(', ');

const pm2Table = () =>
  table(
    ['`pm2`', 'Meaning'],
    readUnion('src/health/types.ts', 'Pm2Evidence').map(({ member, text }) => [code(member), text]),
  );

const closeReasonTable = () => {
  const { CLOSE_REASONS, isRefusal } = loadSource('src/lib/close-reason.ts');
  return table(
    ['`reason`', '`haproxy`', 'Meaning', 'Counted as'],
    Object.entries(CLOSE_REASONS).map(([reason, { haproxy, text }]) => [
      code(reason),
      code(haproxy),
      text,
      isRefusal(reason) ? 'rejected' : 'closed',
    ]),
  );
};
