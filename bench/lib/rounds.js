// The kinds of runs: every measure of every forwarder in rounds, the soak, connections of all fates, stalled connections, the
// load of the monitor, and log rotation.

import { failureOf as failureOfFates, fatesPage } from '../report/fates.js';
import { page } from '../report/page.js';
import { failureOf as rotationFailureOf, rotationPage } from '../report/rotation.js';
import { failureOf, soakPage } from '../report/soak.js';
import { failureOf as failureOfStalled, stalledPage } from '../report/stalled.js';
import { failureOf as failureOfWatched, watchedPage } from '../report/watched.js';
import { fates } from '../scenarios/fates.js';
import { forwardersOf } from '../scenarios/index.js';
import { watched } from '../scenarios/monitor-load.js';
import { rotation } from '../scenarios/rotation/rotation.js';
import { WAYS } from '../scenarios/rotation/ways.js';
import { soak } from '../scenarios/soak.js';
import { DIRECTIONS, stalled } from '../scenarios/stalled.js';
import { attempt } from './attempt.js';

const MAX_MEASURE_MS = 120_000;
/** The time that a connection of the run of all fates may take on average, on a machine that is busy with other things. */
const MAX_FATE_MS = 20;

const progress = (text) => process.stderr.write(`${text}\n`);

/** @returns the report, and the failures */
export const measureAll = async (run) => {
  const { rounds, measures, forwarders, sizes, folder } = run;
  const results = {};
  const failures = [];
  for (let round = 1; round <= rounds; round += 1)
    for (const measure of measures)
      for (const forwarder of forwardersOf(measure, forwarders)) {
        const title = `round ${round} of ${rounds}: ${measure.key}, ${forwarder.name}`;
        progress(title);
        const work = () => measure.run({ forwarder, folder, sizes });
        const { figures, failure } = await attempt(work, MAX_MEASURE_MS);
        note(failures, title, failure ?? (figures.errors > 0 ? figures.errorText : ''));
        if (figures) addFigures(results, measure, forwarder, figures);
      }
  return { text: page({ ...run, results, failures }), failures };
};

/** @returns the report, and the failures */
export const soakAll = async (run) => {
  const { forwarders, sizes, folder } = run;
  const results = {};
  const failures = [];
  for (const forwarder of forwarders) {
    progress(`${sizes.held} held, ${sizes.rate} new ones a second for ${sizes.seconds} s: ${forwarder.name}`);
    const limitMs = MAX_MEASURE_MS + sizes.seconds * 1_000;
    const { figures, failure } = await attempt(() => soak({ forwarder, folder, sizes }), limitMs);
    if (figures) results[forwarder.key] = figures;
    note(failures, forwarder.name, failure ?? failureOf(figures));
  }
  return { text: soakPage({ ...run, results, failures }), failures };
};

/** @returns the report, and the failures */
export const fatesAll = async (run) => {
  const { forwarders, sizes, folder } = run;
  const results = {};
  const failures = [];
  for (const forwarder of forwarders) {
    progress(`${sizes.connections} connections of all fates: ${forwarder.name}`);
    const limitMs = MAX_MEASURE_MS + sizes.limitMs + sizes.restMs + sizes.connections * MAX_FATE_MS;
    const { figures, failure } = await attempt(() => fates({ forwarder, folder, sizes }), limitMs);
    if (figures) results[forwarder.key] = figures;
    note(failures, forwarder.name, failure ?? failureOfFates(figures));
  }
  return { text: fatesPage({ ...run, results, failures }), failures };
};

/** @returns the report, and the failures */
export const stalledAll = async (run) => {
  const { forwarders, sizes, folder } = run;
  const results = {};
  const failures = [];
  const limitMs = MAX_MEASURE_MS + 3 * sizes.limitMs + sizes.restMs;
  for (const direction of DIRECTIONS)
    for (const forwarder of forwarders) {
      const title = `${sizes.connections} connections, ${direction.title}: ${forwarder.name}`;
      progress(title);
      const work = () => stalled(direction, { forwarder, folder, sizes });
      const { figures, failure } = await attempt(work, limitMs);
      results[direction.key] ??= {};
      if (figures) results[direction.key][forwarder.key] = figures;
      note(failures, title, failure ?? failureOfStalled(forwarder, figures));
    }
  return { text: stalledPage({ ...run, results, failures }), failures };
};

/** @returns the report, and the failures */
export const watchAll = async (run) => {
  const { rounds, sizes, folder } = run;
  const failures = [];
  const limitMs = MAX_MEASURE_MS + rounds * 3 * (2 * sizes.seconds + 10) * 1_000;
  const work = () => watched({ rounds, sizes, folder }, progress);
  const { figures, failure } = await attempt(work, limitMs);
  note(failures, 'watched', failure ?? failureOfWatched(figures));
  return { text: watchedPage({ ...run, results: figures, failures }), failures };
};

/** @returns the report, and the failures */
export const rotateAll = async (run) => {
  const { sizes, folder } = run;
  const results = {};
  const failures = [];
  // --quick leaves out the module, which is downloaded and needs a PM2 of its own.
  const ways = WAYS.filter(({ isModule }) => !(isModule && run.quick));
  for (const way of ways) {
    progress(`${sizes.lines} lines, ${sizes.rotations} rotations: ${way.title}`);
    const { figures, failure } = await attempt(() => rotation({ way, folder, sizes }), MAX_MEASURE_MS);
    if (figures) results[way.key] = figures;
    note(failures, way.title, failure ?? rotationFailureOf(way, figures));
  }
  return { text: rotationPage({ ...run, ways, results, failures }), failures };
};

const note = (failures, title, failure) => {
  if (!failure) return;
  failures.push(`${title}: ${failure}`);
  progress(`  failed: ${failure}`);
};

const addFigures = (results, measure, forwarder, figures) => {
  results[measure.key] ??= {};
  results[measure.key][forwarder.key] ??= {};
  const series = results[measure.key][forwarder.key];
  for (const [field, figure] of Object.entries(figures)) series[field] = [...(series[field] ?? []), figure];
};
