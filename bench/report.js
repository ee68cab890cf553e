// The figures as Markdown whose tables are aligned, so that a terminal shows the same text.
import { median } from './median.js';

/** From here on a difference is named: below it, the figures are called equal. */
const EQUAL_WITHIN = 1.03;

/**
 * @param results one figure for each round, at `results[measure.key][forwarder.key][field]`
 * @returns the table, then where each of our forwarders is worse and where it is better than the best peer
 */
export const report = ({ measures, forwarders, results }) => {
  const rows = measures
    .flatMap((measure) => measure.rows.map((row) => ({ ...row, cells: cellsOf(measure, row, results) })))
    .filter(({ cells, isErrors }) => !isErrors || Object.values(cells).some((count) => count > 0));
  const own = forwarders.filter(({ role }) => role === 'own');
  const peers = forwarders.filter(({ role }) => role === 'peer');
  const isCompared = peers.length > 0;
  const header = ['', 'unit', ...forwarders.map(({ name }) => name)];
  const comparedHeader = isCompared ? own.map(({ key }) => `${key} : best peer`) : [];
  const lines = rows.map((row) => [
    row.title,
    row.unit,
    ...forwarders.map(({ key }) => formatFigure(row.cells[key])),
    ...(isCompared ? own.map((one) => formatRatio(compare(one, peers, row))) : []),
  ]);
  const lists = isCompared ? own.map((one) => verdict(one, peers, rows)) : [];
  return [table([[...header, ...comparedHeader], ...lines]), ...lists].join('\n\n');
};

const cellsOf = (measure, row, results) =>
  Object.fromEntries(
    Object.entries(results[measure.key] ?? {}).flatMap(([key, figures]) => {
      const values = figures[row.field] ?? [];
      if (values.length === 0) return [];
      return [[key, row.isErrors ? values.reduce((sum, one) => sum + one, 0) : median(values)]];
    }),
  );

/** How much worse or better than the best peer: `factor` is 1 or more; undefined when a figure is missing. */
const compare = (own, peers, { cells, better, isErrors }) => {
  const known = peers.filter(({ key }) => cells[key] !== undefined);
  if (isErrors || cells[own.key] === undefined || known.length === 0) return undefined;
  const isLess = better === 'less';
  const best = known.reduce((a, b) => (cells[a.key] < cells[b.key] === isLess ? a : b));
  const [mine, theirs] = [cells[own.key], cells[best.key]];
  const ratio = isLess ? mine / theirs : theirs / mine;
  if (!(ratio > 0 && Number.isFinite(ratio))) return undefined;
  const factor = Math.max(ratio, 1 / ratio);
  const is = factor < EQUAL_WITHIN ? 'equal' : ratio > 1 ? 'worse' : 'better';
  return { is, factor, best, mine, theirs };
};

const verdict = (own, peers, rows) => {
  const compared = rows
    .filter(({ isErrors }) => !isErrors)
    .map((row) => ({ row, outcome: compare(own, peers, row) }));
  const names = new Intl.ListFormat('en').format(peers.map(({ name }) => name));
  const best = peers.length > 1 ? `the best of ${names}` : names;
  return [
    ['worse', `${own.name} is worse than ${best}:`],
    ['better', `${own.name} is better than ${best}:`],
    ['equal', `${own.name} is equal to ${best}:`],
    [undefined, `${own.name} cannot be compared, since a figure is missing or not above zero:`],
  ]
    .map(([is, title]) => {
      const lines = compared.filter(({ outcome }) => outcome?.is === is).map(formatOutcome);
      if (is !== 'worse' && lines.length === 0) return '';
      return [title, '', ...(lines.length > 0 ? lines : ['- in no row'])].join('\n');
    })
    .filter((text) => text !== '')
    .join('\n\n');
};

const formatOutcome = ({ row: { title, unit }, outcome }) => {
  if (!outcome) return `- ${title}`;
  const { is, factor, best, mine, theirs } = outcome;
  const figures = `${formatFigure(mine)} ${unit} against ${formatFigure(theirs)} ${unit} of ${best.name}`;
  return `- ${title}: ${figures}${is === 'equal' ? '' : `, ${formatFactor(factor)} ${is}`}`;
};

const formatRatio = (outcome) => {
  if (!outcome) return '–';
  return outcome.is === 'equal' ? 'equal' : `${formatFactor(outcome.factor)} ${outcome.is}`;
};

const formatFactor = (factor) => `${factor.toFixed(factor < 10 ? 2 : 0)}×`;

const formatFigure = (figure) => {
  if (figure === undefined) return '–';
  const size = Math.abs(figure);
  const digits = Number.isInteger(figure) || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return figure.toLocaleString('en', options);
};

/** The first line is the header; the first two columns are text, the others figures. */
const table = ([header, ...lines]) => {
  const widths = header.map((_, column) =>
    Math.max(...[header, ...lines].map((line) => line[column].length)),
  );
  const isText = (column) => column < 2;
  const format = (line) =>
    `| ${line
      .map((cell, column) => (isText(column) ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join(' | ')} |`;
  const rule = widths.map((width, column) =>
    isText(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [format(header), format(rule), ...lines.map(format)].join('\n');
};
