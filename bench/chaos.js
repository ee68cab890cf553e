// `npm run chaos [-- OPTIONS]`: injects one fault after another under load, and measures detection and recovery.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runFaults } from './chaos/faults.js';
import { measureCost } from './chaos/monitor-cost.js';
import { readOptions } from './chaos/options.js';
import { runRandom } from './chaos/random.js';
import { costPart, faultsPart, randomPart, replacePart } from './chaos/report.js';
import { IS_ALL_REQUIRED, missing } from './chaos/requirements.js';

const RESULTS = fileURLToPath(new URL('CHAOS.md', import.meta.url));
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

const progress = (text) => process.stderr.write(`${text}\n`);

const main = async (args) => {
  const options = optionsOrExit(args);
  for (const [name, number] of Object.entries(SIGNALS)) process.on(name, () => process.exit(128 + number));
  const part = await MODES[options.mode]({ ...options, ...possible(options.faults) }, args);
  process.stdout.write(`${part.text}\n`);
  if (options.write) writeFileSync(RESULTS, replacePart(earlier(), part));
  process.exit(/\b(MISS|FAIL)\b/.test(part.text) ? 1 : 0);
};

const MODES = {
  faults: async (options, args) => {
    const rows = await runFaults(options, progress);
    return faultsPart({ rows, args, ...options });
  },
  random: async (options, args) => randomPart({ ...(await runRandom(options, progress)), args, ...options }),
  cost: async ({ cost }, args) => costPart({ rows: await measureCost(cost, progress), args }),
};

const optionsOrExit = (args) => {
  try {
    return readOptions(args);
  } catch (error) {
    progress(`chaos: ${error.message}`);
    return process.exit(2);
  }
};

/** Leaves out the faults that this machine cannot inject, and prints them. */
const possible = (chosen) => {
  const faults = [];
  const leftOut = [];
  for (const fault of chosen) {
    const requirements = missing(fault.needs);
    if (requirements.length === 0) faults.push(fault);
    else leftOut.push(`${fault.key} (needs ${requirements.join(', ')})`);
  }
  if (leftOut.length > 0) progress(`LEFT OUT: ${leftOut.join('; ')}`);
  if (leftOut.length > 0 && IS_ALL_REQUIRED) process.exit(2);
  return { faults, leftOut };
};

const earlier = () => {
  try {
    return readFileSync(RESULTS, 'utf8');
  } catch {
    return '';
  }
};

await main(process.argv.slice(2));
