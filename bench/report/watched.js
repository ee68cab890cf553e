import { median } from '../lib/median.js';
import { formatFigure, table } from '../lib/table.js';
import { joined, list, warning } from './parts.js';

/** The part of RESULTS.md begins with this. */
export const WATCHED_TITLE = '# What the monitor is busy with, and the data path';

const NAMES = { quiet: 'quiet', scraped: 'slow scrapes', hung: 'hung webhook' };

const ROWS = [
  ['median, small requests at a steady rate', 'ms', 'steadyP50'],
  ['99th percentile, small requests at a steady rate', 'ms', 'steadyP99'],
  ['requests at full load', '1/s', 'rate'],
  ['median, request at full load', 'ms', 'p50'],
  ['99th percentile, request at full load', 'ms', 'p99'],
  ['errors', 'sum', 'errors'],
  ['scrapes begun, requests to the webhook', '', 'times'],
];

export const watchedPage = ({ quick, sizes, rounds, before, results, failures }) => {
  const keys = Object.keys(results ?? {});
  const lines = ROWS.map(([title, unit, field]) => [
    title,
    unit,
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

/** @returns the failures, or '' */
export const failureOf = (results) =>
  Object.entries(results)
    .filter(([, rounds]) => sumUp('errors', rounds) > 0)
    .map(([key, rounds]) => `${NAMES[key]}: ${rounds.map(({ errorText }) => errorText).join(', ')}`)
    .join('; ');

const sumUp = (field, rounds) => {
  const figures = rounds.map((round) => round[field]).filter((figure) => figure !== undefined);
  if (figures.length === 0) return undefined;
  return field === 'errors' ? figures.reduce((sum, figure) => sum + figure, 0) : median(figures);
};

const notes = ({ seconds, small }, rounds) =>
  `
- Proxies and the monitor under PM2; medians of ${rounds} rounds, one column after the other in each round: ${seconds} s of
  ${small.count} connections to an echo server with a byte each ${small.everyMs} ms, then ${seconds} s of wrk in front and nginx behind.
- In every column a third port loses its application every 4 s, has it again after 2 s, and both are sent to WEBHOOK_URL.
- "Slow scrapes": each second one more client requests /metrics and reads a byte every 10 ms.
- "Hung webhook": the receiver takes every request and never answers. Messages wait for the previous one, which times out
  after 10 s and is sent again: so there are fewer.
- All processes share the same cores: at full load, readers and monitor take CPU from wrk, nginx and the proxy.
`.trim();
