// The figures: the table of all forwarders, the comparisons of our own ones with their peers, the separate tables.

import { formatFigure, table } from '../lib/table.js';
import { callTables } from './call-tables.js';
import { compare, isCompared, rowsOf } from './compare.js';

/** @param results one figure for each round, at `results[measure.key][forwarder.key][field]` */
export const report = ({ measures, forwarders, results }) => {
  const common = measures.filter((measure) => !measure.table);
  const shown = forwarders.filter(({ role }) => role !== 'logged');
  const own = shown.filter(({ role }) => role === 'own');
  const peers = shown.filter(({ role }) => role === 'peer');
  const rows = rowsOf(common, results);
  return [
    rows.length > 0 ? figureTable(rows, shown, own, peers) : '',
    ...(rows.length > 0 && peers.length > 0
      ? own.map((forwarder) => comparison(forwarder, peers, rows))
      : []),
    ...measures.filter((measure) => measure.table).map((measure) => ownTable(measure, forwarders, results)),
    ...callTables(forwarders, results),
  ]
    .filter((text) => text !== '')
    .join('\n\n');
};

/** The table of a measure that covers only some forwarders. */
const ownTable = (measure, forwarders, results) => {
  const shown = forwarders.filter(measure.isFor);
  const own = shown.filter(({ role }) => role === 'own');
  const peers = shown.filter(({ role }) => role !== 'own');
  return `## ${measure.table}\n\n${figureTable(rowsOf([measure], results), shown, own, peers)}`;
};

const figureTable = (rows, forwarders, own, peers) => {
  const compared = peers.length > 0 ? own : [];
  const header = ['', 'unit', ...forwarders.map(({ name }) => name)];
  const lines = rows.map((row) => [
    row.title,
    row.unit,
    ...forwarders.map(({ key }) => formatFigure(row.cells[key])),
    ...compared.map((forwarder) => formatRatio(compare(forwarder, peers, row))),
  ]);
  return table([[...header, ...compared.map(({ key }) => `${key} : best peer`)], ...lines]);
};

const comparison = (own, peers, rows) => {
  const compared = rows.filter(isCompared).map((row) => ({ row, outcome: compare(own, peers, row) }));
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
  const format = (figure) => `${formatFigure(figure)} ${unit}`.trim();
  const figures = `${format(mine)} against ${format(theirs)} of ${best.name}`;
  return `- ${title}: ${figures}${is === 'equal' ? '' : `, ${formatFactor(factor)} ${is}`}`;
};

const formatRatio = (outcome) => {
  if (!outcome) return '–';
  return outcome.is === 'equal' ? 'equal' : `${formatFactor(outcome.factor)} ${outcome.is}`;
};

const formatFactor = (factor) => `${factor.toFixed(factor < 10 ? 2 : 0)}×`;
