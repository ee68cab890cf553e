import { formatFigure, table } from '../lib/table.js';
import { format, joined, list, warning } from './parts.js';

const megabytes =
  (name) =>
  ({ rss }) =>
    rss[name] / 1e6;

const ROWS = [
  ['new connections made', '', ({ made }) => made],
  ['new connections', '1/s', ({ made, tookSeconds }) => made / tookSeconds],
  ['errors, new connections', '', ({ problems }) => sumOf(problems)],
  ['errors, held connections', '', ({ dead }) => dead],
  ['median, new connection', 'ms', ({ p50 }) => p50],
  ['99th percentile, new connection', 'ms', ({ p99 }) => p99],
  ['longest, new connection', 'ms', ({ max }) => max],
  ['CPU', 's', ({ cpu }) => cpu],
  ['RSS, idle', 'MB', megabytes('idle')],
  ['RSS, all held', 'MB', megabytes('held')],
  ['RSS, at the start', 'MB', megabytes('start')],
  ['RSS, in the middle', 'MB', megabytes('middle')],
  ['RSS, at the end', 'MB', megabytes('end')],
  ['RSS, all closed', 'MB', megabytes('after')],
  ['open files, all held', '', ({ files }) => files],
  ['more open files at the end', '', ({ leaked }) => leaked],
];

/** The part of RESULTS.md begins with this. */
export const SOAK_TITLE = '# Many connections at once';

export const soakPage = ({ quick, sizes, before, forwarders, results, failures }) => {
  const known = forwarders.filter(({ key }) => results[key]);
  const lines = ROWS.map(([title, unit, figure]) => [
    title,
    unit,
    ...known.map(({ key }) => formatFigure(figure(results[key]))),
  ]);
  return joined([
    SOAK_TITLE,
    warning(quick),
    before,
    list('Failures', failures),
    known.length > 0 ? table([['', 'unit', ...known.map(({ name }) => name)], ...lines]) : '',
    notes(sizes),
  ]);
};

export const failureOf = ({ problems, dead }) =>
  [
    ...Object.entries(problems).map(([problem, count]) => `${count} new connections: ${problem}`),
    ...(dead > 0 ? [`${dead} held connections do not answer`] : []),
  ].join(', ');

const sumOf = (problems) => Object.values(problems).reduce((sum, count) => sum + count, 0);

const notes = ({ held, rate, seconds, warmUpMs }) =>
  `
- ${format(held)} connections are held through one proxy; then ${format(rate)} new ones a second come for ${seconds} s,
  each with a byte there and back, then closed by the upstream. At the end each held connection carries one more byte.
- The time of a new connection is from its beginning to its answer. CPU is that of the proxy in those ${seconds} s.
- "At the start": after ${warmUpMs / 1_000} s of the same load. "All closed": after the held connections were closed.
- All open connections share one loopback interface: each has four sockets on this machine, and the interface's queue is
  \`net.core.netdev_max_backlog\` long.
- The held clients, the new clients and the upstream each have a process, on the same cores.
`.trim();
