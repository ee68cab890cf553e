import { median } from '../lib/median.js';

/** A figure by its median, everything else in every round. */
export const verdicts = (fault, figures) => {
  const isLeft = figures.some(({ failures }) => failures.length > 0);
  const middle = middleOf(figures);
  const lines = fault.expected.map(({ text, holds }) => {
    const isMet = /within/.test(text) ? holds(middle) : figures.every(holds);
    return `${text}: ${isMet ? 'ok' : 'MISS'}`;
  });
  return [...lines, ...(isLeft ? ['FAIL'] : [])].join('; ');
};

/** A time that is missing in a round is a long one. */
const middleOf = (figures) => {
  const names = new Set(figures.flatMap((one) => Object.keys(one).filter((name) => name.endsWith('Ms'))));
  return Object.fromEntries(
    [...names].map((name) => [name, median(figures.map((one) => one[name] ?? Number.POSITIVE_INFINITY))]),
  );
};
