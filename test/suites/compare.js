// Runs a suite without a proxy and through the engines, and tells what fails only through an engine.
import { EXCEPTIONS } from './exceptions.js';
import { nameApart, newFailures } from './outcomes.js';
import { openPlaces } from './places.js';

/** How often a case that failed only through an engine is run again, each way. */
const RUNS_AGAIN = 5;

/**
 * Runs a suite by one way.
 * @param suite with `run` of its `prepare`
 * @param only the names of the cases; undefined for all. A suite may run more than these
 * @returns the results, and the connections that the proxies logged
 */
export const runSuite = async ({ suite, run, folder }, way, only) => {
  const { places, close } = await openPlaces(way, suite.places, folder);
  try {
    const results = nameApart(await run(places, only));
    const connections = await close();
    if (way !== 'direct' && connections === 0)
      throw new Error(`${suite.name}: no connection went through a proxy`);
    return { results, connections };
  } catch (error) {
    await close();
    throw error;
  }
};

/**
 * Sorts the failures of cases that did not fail directly.
 * @returns `explained`: what no proxy can pass; `findings`: what failed again through the engine and never directly; and
 *   `unsteady`: the rest
 */
export const judgeFailures = async (context, engine, { direct, through }) => {
  const reasons = EXCEPTIONS[context.suite.name] ?? {};
  const failures = newFailures(direct, through);
  const [explained, open] = partition(failures, ({ name }) => name in reasons);
  if (open.length === 0) return { explained, findings: [], unsteady: [] };
  const names = open.map(({ name }) => name);
  const again = await failAgain(context, engine, names);
  const alsoDirect = await failAgain(context, 'direct', names);
  const isFinding = ({ name }) => again.has(name) && !alsoDirect.has(name);
  const [findings, unsteady] = partition(open, isFinding);
  return { explained, findings, unsteady };
};

const failAgain = async (context, way, names) => {
  const failed = new Set();
  for (let time = 0; time < RUNS_AGAIN; time += 1) {
    const { results } = await runSuite(context, way, names);
    const outcomes = new Map(results.map(({ name, outcome }) => [name, outcome]));
    for (const name of names) if ((outcomes.get(name) ?? 'failed') === 'failed') failed.add(name);
  }
  return failed;
};

const partition = (list, isFirst) => [list.filter(isFirst), list.filter((entry) => !isFirst(entry))];
