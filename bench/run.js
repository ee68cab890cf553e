// `npm run bench [-- OPTIONS]`: measures the cost of forwarding, by steadyport and by others.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAll } from './lib/children.js';
import { readOptions } from './lib/options.js';
import { fatesAll, measureAll, rotateAll, soakAll, stalledAll, watchAll } from './lib/rounds.js';
import { missingOf } from './lib/tools.js';
import { circumstances } from './report/parts.js';
import { writeResults } from './report/results-file.js';
import { forwardersOf } from './scenarios/index.js';

const RUNS = {
  costs: measureAll,
  soak: soakAll,
  fates: fatesAll,
  stalled: stalledAll,
  watched: watchAll,
  rotation: rotateAll,
};

const print = (text) => process.stdout.write(`${text}\n`);
const progress = (text) => process.stderr.write(`${text}\n`);

const exitWith = (code, text) => {
  progress(`bench: ${text}`);
  process.exit(code);
};

const main = async (args) => {
  const options = optionsOrExit(args);
  const { leftOut, ...chosen } = withoutMissing(options);
  for (const line of leftOut) progress(`bench: left out: ${line}`);
  if (leftOut.length > 0 && process.env.STEADYPORT_REQUIRE_ALL === '1')
    exitWith(1, 'STEADYPORT_REQUIRE_ALL=1 and something is missing');
  const hasWork =
    options.kind === 'rotation'
      ? leftOut.length === 0
      : chosen.forwarders.length > 0 && (options.kind !== 'costs' || chosen.measures.length > 0);
  if (!hasWork) exitWith(1, 'nothing is left to measure');
  const folder = mkdtempSync(join(tmpdir(), 'steadyport-bench-'));
  cleanUpAtExit(folder);
  const before = circumstances(args, chosen);
  const run = { ...options, ...chosen, folder, before, leftOut };
  const { text, failures } = await RUNS[options.kind](run);
  print(text);
  if (options.write) writeResults(text, options.kind);
  process.exitCode = failures.length > 0 ? 1 : 0;
};

const optionsOrExit = (args) => {
  try {
    return readOptions(args);
  } catch (error) {
    return exitWith(2, error.message);
  }
};

/** @returns what can be measured with the installed tools, and what cannot and why */
const withoutMissing = ({ measures, forwarders, kind }) => {
  const leftOut = [];
  const isInstalled = (kindOfEntry) => (entry) => {
    const missing = missingOf(entry.tools);
    if (missing) leftOut.push(`${kindOfEntry} ${entry.key}: not installed: ${missing}`);
    return !missing;
  };
  const rotating =
    kind === 'rotation'
      ? [{ key: 'rotation', tools: ['logrotate', 'wrk', 'nginx'] }].filter(isInstalled('measure'))
      : [];
  const usable = forwarders.filter(isInstalled('forwarder'));
  const hasForwarder = (measure) => forwardersOf(measure, usable).length > 0;
  const measured = measures.filter(isInstalled('measure')).filter(hasForwarder);
  return { measures: [...measured, ...rotating], forwarders: usable, leftOut };
};

/** Kills the child processes and removes the folder when this process ends, also by a signal. */
const cleanUpAtExit = (folder) => {
  process.on('exit', () => {
    killAll();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  });
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ])
    process.on(signal, () => process.exit(128 + number));
};

await main(process.argv.slice(2));
