import { median } from '../lib/median.js';

/** Figures within this factor are called equal. */
const EQUAL_WITHIN = 1.03;

/** @returns each row of the measures with `cells`, the figure of each forwarder; rows of errors only if there are any */
export const rowsOf = (measures, results) =>
  measures
    .flatMap((measure) => measure.rows.map((row) => ({ ...row, cells: cellsOf(measure, row, results) })))
    .filter(({ cells, isErrors }) => !isErrors || Object.values(cells).some((count) => count > 0));

export const isCompared = ({ isErrors, isUncompared }) => !isErrors && !isUncompared;

/** Compares with the best peer. @returns `factor`, which is 1 or more; undefined when a figure is missing */
export const compare = (own, peers, { cells, better, ...row }) => {
  const known = peers.filter(({ key }) => cells[key] !== undefined);
  if (!isCompared(row) || cells[own.key] === undefined || known.length === 0) return undefined;
  const isLess = better === 'less';
  const best = known.reduce((a, b) => (cells[a.key] < cells[b.key] === isLess ? a : b));
  const mine = cells[own.key];
  const theirs = cells[best.key];
  const ratio = isLess ? mine / theirs : theirs / mine;
  if (!(ratio > 0 && Number.isFinite(ratio))) return undefined;
  const factor = Math.max(ratio, 1 / ratio);
  const is = factor < EQUAL_WITHIN ? 'equal' : ratio > 1 ? 'worse' : 'better';
  return { is, factor, best, mine, theirs };
};

const cellsOf = (measure, row, results) =>
  Object.fromEntries(
    Object.entries(results[measure.key] ?? {}).flatMap(([key, figures]) => {
      const values = (figures[row.field] ?? []).filter((value) => value !== undefined);
      if (values.length === 0) return [];
      return [[key, row.isErrors ? values.reduce((sum, value) => sum + value, 0) : median(values)]];
    }),
  );
