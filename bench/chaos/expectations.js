import { median } from '../lib/median.js';

/**
 * Checks the expectations of a fault: a time ("within …") against the median of the rounds, any other in every round.
 * @returns each expectation with "ok" or "MISS", and "FAIL" when a round had a failure
 */
export const summarizeExpectations = (fault, figures) => {
  const hasFailures = figures.some(({ failures }) => failures.length > 0);
  const medians = mediansOf(figures);
  const lines = fault.expected.map(({ text, holds }) => {
    const isMet = /within/.test(text) ? holds(medians) : figures.every(holds);
    return `${text}: ${isMet ? 'ok' : 'MISS'}`;
  });
  return [...lines, ...(hasFailures ? ['FAIL'] : [])].join('; ');
};

/** A time that is missing in a round counts as infinite. */
const mediansOf = (figures) => {
  const names = new Set(figures.flatMap((round) => Object.keys(round).filter((name) => name.endsWith('Ms'))));
  return Object.fromEntries(
    [...names].map((name) => [name, median(figures.map((round) => round[name] ?? Number.POSITIVE_INFINITY))]),
  );
};
