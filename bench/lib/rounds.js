// The runs: every measure of every forwarder in rounds, the soak of one after another, the monitor's doings, and rotation.

import { page } from '../report/page.js';
import { failureOf as rotationFailureOf, rotationPage } from '../report/rotation.js';
import { failureOf, soakPage } from '../report/soak.js';
import { failureOf as failureOfWatched, watchedPage } from '../report/watched.js';
import { forwardersOf } from '../scenarios/index.js';
import { rotation } from '../scenarios/rotation/rotation.js';
import { WAYS } from '../scenarios/rotation/ways.js';
import { soak } from '../scenarios/soak/soak.js';
import { watched } from '../scenarios/watched/monitor-load.js';
import { attempt } from './attempt.js';

const LONGEST_MEASURE_MS = 120_000;

const progress = (text) => process.stderr.write(`${text}\n`);

/** @returns its page, and what failed */
export const measureAll = async (run) => {
  const { rounds, measures, forwarders, sizes, folder } = run;
  const [results, failures] = [{}, []];
  for (let round = 1; round <= rounds; round += 1)
    for (const measure of measures)
      for (const forwarder of forwardersOf(measure, forwarders)) {
        const what = `round ${round} of ${rounds}: ${measure.key}, ${forwarder.name}`;
        progress(what);
        const work = () => measure.run({ forwarder, folder, sizes });
        const { figures, failure } = await attempt(work, LONGEST_MEASURE_MS);
        note(failures, what, failure ?? (figures.errors > 0 ? figures.errorText : ''));
        if (figures) keep(results, measure, forwarder, figures);
      }
  return { text: page({ ...run, results, failures }), failures };
};

/** @returns its page, and what failed */
export const soakAll = async (run) => {
  const { forwarders, sizes, folder } = run;
  const [results, failures] = [{}, []];
  for (const forwarder of forwarders) {
    progress(`${sizes.held} held, ${sizes.rate} new ones a second for ${sizes.seconds} s: ${forwarder.name}`);
    const limitMs = LONGEST_MEASURE_MS + sizes.seconds * 1_000;
    const { figures, failure } = await attempt(() => soak({ forwarder, folder, sizes }), limitMs);
    if (figures) results[forwarder.key] = figures;
    note(failures, forwarder.name, failure ?? failureOf(figures));
  }
  return { text: soakPage({ ...run, results, failures }), failures };
};

/** @returns its page, and what failed */
export const watchAll = async (run) => {
  const { rounds, sizes, folder } = run;
  const failures = [];
  const limitMs = LONGEST_MEASURE_MS + rounds * 3 * (2 * sizes.seconds + 10) * 1_000;
  const work = () => watched({ rounds, sizes, folder }, progress);
  const { figures, failure } = await attempt(work, limitMs);
  note(failures, 'watched', failure ?? failureOfWatched(figures));
  return { text: watchedPage({ ...run, results: figures, failures }), failures };
};

/** @returns its page, and what failed */
export const rotateAll = async (run) => {
  const { sizes, folder } = run;
  const [results, failures] = [{}, []];
  // The module is downloaded, with a PM2 of its own: too much for a glance.
  const ways = WAYS.filter(({ isModule }) => !(isModule && run.quick));
  for (const way of ways) {
    progress(`${sizes.lines} lines, ${sizes.rotations} rotations: ${way.title}`);
    const { figures, failure } = await attempt(() => rotation({ way, folder, sizes }), LONGEST_MEASURE_MS);
    if (figures) results[way.key] = figures;
    note(failures, way.title, failure ?? rotationFailureOf(way, figures));
  }
  return { text: rotationPage({ ...run, ways, results, failures }), failures };
};

const note = (failures, what, failure) => {
  if (!failure) return;
  failures.push(`${what}: ${failure}`);
  progress(`  failed: ${failure}`);
};

const keep = (results, measure, forwarder, figures) => {
  results[measure.key] ??= {};
  results[measure.key][forwarder.key] ??= {};
  const kept = results[measure.key][forwarder.key];
  for (const [field, figure] of Object.entries(figures)) kept[field] = [...(kept[field] ?? []), figure];
};
