// What the cases of a suite came to by each way. A result is `{ name, outcome, output }`, and an outcome `passed`, `failed` or `skipped`.

/** Programs repeat the names of cases. @returns the results with each name once */
export const nameApart = (results) => {
  const seen = new Map();
  return results.map((result) => {
    const times = (seen.get(result.name) ?? 0) + 1;
    seen.set(result.name, times);
    return times === 1 ? result : { ...result, name: `${result.name} #${times}` };
  });
};

export const countOutcome = (results, wanted) => results.filter(({ outcome }) => outcome === wanted).length;

/** @returns the failures through an engine of cases that do not fail directly; a case without a result has failed, too */
export const newFailures = (direct, through) => {
  const outcomes = new Map(through.map((result) => [result.name, result]));
  return direct
    .filter(({ outcome }) => outcome !== 'failed')
    .map(({ name }) => outcomes.get(name) ?? { name, outcome: 'failed', output: 'it has no result' })
    .filter(({ outcome }) => outcome === 'failed');
};
