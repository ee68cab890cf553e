// Tables of the system calls by name, with a column for each forwarder whose calls were counted.
import { median } from '../lib/median.js';
import { formatFigure, table } from '../lib/table.js';

/** Calls that are rarer than this are summed up. */
const RARE = 0.005;

/** @returns the tables of each request and of each new connection; none when nothing was counted */
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
  const max = (name) => Math.max(...columns.map((calls) => calls[name] ?? 0));
  const isRare = (name) => max(name) < RARE;
  const shown = names.filter((name) => !isRare(name)).sort((a, b) => max(b) - max(a));
  const sum = (calls, part) => part.reduce((total, name) => total + (calls[name] ?? 0), 0);
  const lines = shown.map((name) => [
    `\`${name}\``,
    ...columns.map((calls) => formatFigure(calls[name] ?? 0)),
  ]);
  const lineOf = (title, part) => [title, ...columns.map((calls) => formatFigure(sum(calls, part)))];
  const header = ['', ...forwarders.map(({ name }) => name)];
  return table([header, ...lines, lineOf('rarer ones', names.filter(isRare)), lineOf('all', names)], 1);
};

/** @param rounds the calls by name of each round */
const medians = (rounds) => {
  const names = new Set(rounds.flatMap((calls) => Object.keys(calls)));
  return Object.fromEntries(
    [...names].map((name) => [name, median(rounds.map((calls) => calls[name] ?? 0))]),
  );
};
