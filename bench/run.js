// `npm run bench [-- OPTIONS]`: what forwarding costs here, and what it costs others.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readOptions } from './options.js';
import { circumstances, page } from './page.js';
import { killAll, stopAll } from './system.js';
import { missingOf } from './tools.js';

const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));
const LONGEST_MEASURE_MS = 120_000;

const say = (text) => process.stdout.write(`${text}\n`);
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
  if (chosen.measures.length === 0 || chosen.forwarders.length === 0)
    exitWith(1, 'nothing is left to measure');
  const folder = mkdtempSync(join(tmpdir(), 'steadyport-bench-'));
  cleanUpAtExit(folder);
  const before = circumstances(args, chosen);
  const { results, failures } = await runRounds({ ...options, ...chosen, folder });
  const text = page({ ...options, ...chosen, before, results, failures, leftOut });
  say(text);
  if (options.write) writeFileSync(RESULTS, `${text}\n`);
  process.exitCode = failures.length > 0 ? 1 : 0;
};

const optionsOrExit = (args) => {
  try {
    return readOptions(args);
  } catch (error) {
    return exitWith(2, error.message);
  }
};

/** What can be measured with the tools that are installed, and what cannot and why. */
const withoutMissing = ({ measures, forwarders }) => {
  const leftOut = [];
  const isThere = (kind) => (entry) => {
    const missing = missingOf(entry.tools);
    if (missing) leftOut.push(`${kind} ${entry.key}: not installed: ${missing}`);
    return !missing;
  };
  return {
    measures: measures.filter(isThere('measure')),
    forwarders: forwarders.filter(isThere('forwarder')),
    leftOut,
  };
};

const runRounds = async ({ rounds, measures, forwarders, sizes, folder }) => {
  const results = {};
  const failures = [];
  for (let round = 1; round <= rounds; round += 1)
    for (const measure of measures)
      for (const forwarder of forwarders) {
        const what = `round ${round} of ${rounds}: ${measure.key}, ${forwarder.name}`;
        progress(what);
        const outcome = await attempt(measure, { forwarder, folder, sizes });
        if (outcome.failure) {
          failures.push(`${what}: ${outcome.failure}`);
          progress(`  failed: ${outcome.failure}`);
        }
        if (outcome.figures) keep(results, measure, forwarder, outcome.figures);
      }
  return { results, failures };
};

/** One measure of one forwarder; afterwards nothing of it runs any more. */
const attempt = async (measure, place) => {
  try {
    const figures = await withinLimit(measure.run(place));
    return { figures, failure: figures.errors > 0 ? figures.errorText : undefined };
  } catch (error) {
    return { failure: error.message };
  } finally {
    await stopAll();
  }
};

const withinLimit = async (work) => {
  let timer;
  const limit = new Promise((_, fail) => {
    const error = new Error(`not done after ${LONGEST_MEASURE_MS / 1000} s`);
    timer = setTimeout(() => fail(error), LONGEST_MEASURE_MS);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
};

const keep = (results, measure, forwarder, figures) => {
  results[measure.key] ??= {};
  results[measure.key][forwarder.key] ??= {};
  const kept = results[measure.key][forwarder.key];
  for (const { field } of measure.rows) kept[field] = [...(kept[field] ?? []), figures[field]];
};

/** Whatever ends this process, what it started and its folder go with it. */
const cleanUpAtExit = (folder) => {
  process.on('exit', () => {
    killAll();
    rmSync(folder, { recursive: true, force: true });
  });
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ])
    process.on(signal, () => process.exit(128 + number));
};

await main(process.argv.slice(2));
