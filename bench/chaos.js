// `npm run chaos [-- OPTIONS]`: one fault after another, under load, and what became of it.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { readOptions } from './chaos/options.js';
import { page, verdicts } from './chaos/page.js';
import { openPlace } from './chaos/place.js';
import { runRound } from './chaos/round.js';

const RESULTS = fileURLToPath(new URL('CHAOS.md', import.meta.url));
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

const progress = (text) => process.stderr.write(`${text}\n`);

const main = async (args) => {
  const options = optionsOrExit(args);
  for (const [name, number] of Object.entries(SIGNALS)) process.on(name, () => process.exit(128 + number));
  const place = await openPlace();
  const rows = await runAll(options, place);
  const text = page({ rows, args, rounds: options.rounds, versions: versions() });
  process.stdout.write(`${text}\n`);
  if (options.write) writeFileSync(RESULTS, `${text}\n`);
  process.exit(/\b(MISS|FAIL)\b/.test(text) ? 1 : 0);
};

const optionsOrExit = (args) => {
  try {
    return readOptions(args);
  } catch (error) {
    progress(`chaos: ${error.message}`);
    return process.exit(2);
  }
};

/** Each round takes the next port: a port rests while the others are under fault. */
const runAll = async ({ faults, rounds }, place) => {
  const rows = [];
  let turn = 0;
  for (const fault of faults) {
    const figures = [];
    for (let round = 1; round <= rounds; round += 1) {
      turn += 1;
      const some = await runRound(fault, place, targetsOf(fault, place.proxies, turn));
      figures.push(some);
      progress(`${fault.key} ${round}/${rounds}: ${oneLine(some)} ${verdicts(fault, [some])}`);
      for (const failure of some.failures) progress(`  FAIL: ${failure}`);
      if (isBad(fault, some))
        for (const { time, text, cause } of some.lines) progress(`  | ${time} ${text} [${cause}]`);
    }
    rows.push({ fault, figures });
  }
  return rows;
};

/** Worth the monitor's own words. */
const isBad = (fault, figures) => /MISS|FAIL/.test(verdicts(fault, [figures]));

const targetsOf = (fault, proxies, turn) => {
  if (fault.isAboutAll) return proxies;
  const fitting = proxies.filter(({ isHttp }) => isHttp || !fault.needsHttpProbe);
  return [fitting[turn % fitting.length]];
};

const oneLine = ({ lines, causes, failures, after, ...figures }) =>
  `${Object.entries(figures)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')}, ${causes.join('+') || 'no cause'};`;

const versions = () => {
  const version = (path) =>
    JSON.parse(readFileSync(createRequire(import.meta.url).resolve(path), 'utf8')).version;
  return `Node.js ${process.version}, PM2 ${version('pm2/package.json')}, steadyport ${version('../package.json')}`;
};

await main(process.argv.slice(2));
