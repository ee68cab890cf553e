// The system calls by name, one column for each forwarder whose calls were counted.
import { median } from '../lib/median.js';
import { formatFigure, table } from '../lib/table.js';

/** What is rarer is summed up. */
const RARE = 0.005;

/** @returns the table of each request and that of each new connection; none when nothing was counted */
export const callTables = (forwarders, { syscalls = {} }) => {
  const counted = forwarders.filter(({ key }) => syscalls[key]);
  if (counted.length === 0) return [];
  const tableOf = (title, field) => {
    const columns = counted.map(({ key }) => medians(syscalls[key][field]));
    return `## ${title}\n\n${callTable(counted, columns)}`;
  };
  return [
    tableOf('System calls of each request', 'requestCalls'),
    tableOf('System calls of each new connection', 'connectionCalls'),
  ];
};

const callTable = (forwarders, columns) => {
  const names = [...new Set(columns.flatMap((calls) => Object.keys(calls)))];
  const most = (name) => Math.max(...columns.map((calls) => calls[name] ?? 0));
  const isRare = (name) => most(name) < RARE;
  const shown = names.filter((name) => !isRare(name)).sort((a, b) => most(b) - most(a));
  const sum = (calls, some) => some.reduce((total, name) => total + (calls[name] ?? 0), 0);
  const lines = shown.map((name) => [
    `\`${name}\``,
    ...columns.map((calls) => formatFigure(calls[name] ?? 0)),
  ]);
  const lineOf = (title, some) => [title, ...columns.map((calls) => formatFigure(sum(calls, some)))];
  const header = ['', ...forwarders.map(({ name }) => name)];
  return table([header, ...lines, lineOf('rarer ones', names.filter(isRare)), lineOf('all', names)], 1);
};

/** @param rounds of each the calls by name */
const medians = (rounds) => {
  const names = new Set(rounds.flatMap((calls) => Object.keys(calls)));
  return Object.fromEntries(
    [...names].map((name) => [name, median(rounds.map((calls) => calls[name] ?? 0))]),
  );
};
