// `npm run verify -- suites`: other people's test suites through each engine, with a run without a proxy as control.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { killAll } from '../../bench/lib/children.js';
import { table } from '../../bench/lib/table.js';
import { judgeFailures, runSuite } from './compare.js';
import { versionOf } from './debian.js';
import { GO_SUITES } from './go.js';
import { H2LOAD_SUITE } from './h2load.js';
import { NODE_SUITES } from './node.js';
import { countOutcome } from './outcomes.js';
import { POSTGRES_SUITE } from './postgres.js';
import { REDIS_SUITE } from './redis.js';

const HELP = `node test/suites/run.js [--only WORD] [--engine NAME] [--case NAME]

  --only WORD    runs the suites that have the word in their name
  --engine NAME  runs them through this engine alone
  --case NAME    runs one case, each way, and prints what it wrote
`;
const HEADER = ['suite', 'version', 'way', 'connections', 'passed', 'failed', 'skipped'];
const JUDGED = ['explained', 'unsteady', 'findings'];
const OUTPUT_LINES = 40;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    engine: { type: 'string' },
    case: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const engines = options.engine === undefined ? ['kernel', 'portable'] : [options.engine];
const suites = [...GO_SUITES, H2LOAD_SUITE, POSTGRES_SUITE, REDIS_SUITE, ...NODE_SUITES].filter(({ name }) =>
  name.includes(options.only),
);

const main = async (root) => {
  requirePackages();
  const rows = [];
  const findings = [];
  for (const [index, suite] of suites.entries()) {
    const folder = join(root, `${index}`);
    mkdirSync(folder);
    const context = { suite, folder, run: await suite.prepare(folder, root) };
    if (options.case !== undefined) {
      await printCase(context);
      continue;
    }
    const compared = await compare(context);
    rows.push(...compared.rows);
    findings.push(...compared.findings);
  }
  if (rows.length > 0) console.log(`\n${table([[...HEADER, ...JUDGED], ...rows], 3)}`);
  if (findings.length > 0) throw new Error(`only through an engine fail: ${findings.join('; ')}`);
};

const requirePackages = () => {
  if (suites.length === 0) throw new Error(`no suite has ${options.only} in its name`);
  const needed = new Set(suites.flatMap(({ packages }) => packages));
  const missing = [...needed].filter((name) => versionOf(name) === undefined);
  if (missing.length > 0) throw new Error(`apt-get install --no-install-recommends ${missing.join(' ')}`);
};

/** Runs a suite all ways. @returns lines for the table, and the findings' names */
const compare = async (context) => {
  const { suite, run } = context;
  const version = run.version ?? versionOf(suite.packages[0]);
  const row = (way, { results, connections }) => [
    ...[suite.name, version, way, `${connections}`],
    ...['passed', 'failed', 'skipped'].map((outcome) => `${countOutcome(results, outcome)}`),
  ];
  const direct = await runSuite(context, 'direct');
  for (const { name, outcome } of direct.results)
    if (outcome === 'failed') console.log(`${suite.name}, direct: failed: ${name}`);
  const rows = [[...row('direct', direct), ...JUDGED.map(() => '')]];
  const findings = [];
  for (const engine of engines) {
    const through = await runSuite(context, engine);
    const judged = await judgeFailures(context, engine, { direct: direct.results, through: through.results });
    printFailures(`${suite.name}, ${engine}: unsteady`, judged.unsteady);
    printFailures(`${suite.name}, ${engine}: finding`, judged.findings);
    rows.push([...row(engine, through), ...JUDGED.map((kind) => `${judged[kind].length}`)]);
    findings.push(...judged.findings.map(({ name }) => `${suite.name}, ${engine}: ${name}`));
  }
  for (const line of rows) console.log(line.join(' | '));
  return { rows, findings };
};

const printFailures = (heading, results) => {
  for (const { name, output } of results) {
    const tail = output.trim().split('\n').slice(-OUTPUT_LINES).join('\n  ');
    console.log(`${heading}: ${name}\n  ${tail}`);
  }
};

const printCase = async (context) => {
  for (const way of ['direct', ...engines]) {
    const { results } = await runSuite(context, way, [options.case]);
    for (const { name, outcome, output } of results.filter((result) => result.name === options.case))
      console.log(`== ${context.suite.name}, ${way}: ${outcome}: ${name}\n${output}`);
  }
};

if (options.help) {
  console.log(HELP);
  process.exit();
}
const root = mkdtempSync(join(tmpdir(), 'steadyport-suites-'));
process.on('exit', () => {
  killAll();
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
await main(root).catch((error) => {
  console.error(`suites: ${error.message}`);
  process.exitCode = 1;
});
