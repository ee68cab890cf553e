import { median } from '../lib/median.js';
import { formatFigure, table } from '../lib/table.js';
import { joined, list, warning } from './parts.js';

/** The part of RESULTS.md begins with this. */
export const WATCHED_TITLE = '# What the monitor is busy with, and the data path';

const NAMES = { quiet: 'quiet', scraped: 'slow scrapes', hung: 'hung webhook' };

const ROWS = [
  ['median, small requests at a steady rate', 'ms', 'steadyP50'],
  ['99th percentile, small requests at a steady rate', 'ms', 'steadyP99'],
  ['requests, as many as can be had', '1/s', 'rate'],
  ['median, such a request', 'ms', 'p50'],
  ['99th percentile, such a request', 'ms', 'p99'],
  ['errors', 'sum', 'errors'],
  ['scrapes begun, requests to the webhook', '', 'times'],
];

export const watchedPage = ({ quick, sizes, rounds, before, results, failures }) => {
  const keys = Object.keys(results ?? {});
  const lines = ROWS.map(([title, unit, field]) => [
    ...[title, unit],
    ...keys.map((key) => formatFigure(sumUp(field, results[key]))),
  ]);
  return joined([
    WATCHED_TITLE,
    warning(quick),
    before,
    list('Failures', failures),
    keys.length > 0 ? table([['', 'unit', ...keys.map((key) => NAMES[key])], ...lines]) : '',
    notes(sizes, rounds),
  ]);
};

/** @returns what went wrong, or '' */
export const failureOf = (results) =>
  Object.entries(results)
    .filter(([, rounds]) => sumUp('errors', rounds) > 0)
    .map(([key, rounds]) => `${NAMES[key]}: ${rounds.map(({ errorText }) => errorText).join(', ')}`)
    .join('; ');

const sumUp = (field, rounds) => {
  const figures = rounds.map((one) => one[field]).filter((one) => one !== undefined);
  if (figures.length === 0) return undefined;
  return field === 'errors' ? figures.reduce((sum, one) => sum + one, 0) : median(figures);
};

const notes = ({ seconds, small }, rounds) =>
  `
- Proxies and the monitor under PM2; medians of ${rounds} rounds, one column after the other in each round: ${seconds} s of
  ${small.count} connections to an echo server with a byte each ${small.everyMs} ms, then ${seconds} s of wrk in front and nginx behind.
- In every column a further port loses its application every 4 s, has it again after 2 s, and WEBHOOK_URL is told of both.
- "Slow scrapes": each second one more client asks for /metrics and reads a byte each 10 ms.
- "Hung webhook": it takes what it is sent and never answers. Messages wait for the one before, which is given up after
  10 s and sent again: so there are fewer.
- All of it is on the same cores: at full load, what readers and monitor take of them is missing to wrk, nginx and proxy.
`.trim();
