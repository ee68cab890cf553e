import { median } from '../median.js';
import { joined, list, warning } from '../page-parts.js';
import { formatFigure, table } from '../table.js';

/** The part of RESULTS.md begins with this. */
export const WATCHED_TITLE = '# What the monitor is busy with, and the data path';

const NAMES = { quiet: 'quiet', scraped: 'slow scrapes', hung: 'hung webhook' };

const ROWS = [
  ['requests', '1/s', 'rate'],
  ['median, request', 'ms', 'p50'],
  ['99th percentile, request', 'ms', 'p99'],
  ['errors, requests', 'sum', 'errors'],
  ['scrapes begun, alerts sent', '', 'times'],
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

const notes = ({ seconds }, rounds) =>
  `
- A proxy and the monitor under PM2, with wrk in front and nginx behind; medians of ${rounds} rounds of ${seconds} s, one
  column after the other in each round.
- "Slow scrapes": every 100 ms one more client asks for /metrics and reads a byte each 10 ms, 100 at a time. The answer for
  two proxies fits into the sockets' buffers.
- "Hung webhook": a second port loses its application every 4 s, and WEBHOOK_URL takes each alert and never answers.
- All of it is on the same cores: what the readers and the monitor take of them is missing to wrk, nginx and the proxy.
`.trim();
