import { moreFiles } from '../lib/settle.js';
import { formatFigure, table } from '../lib/table.js';
import { DIRECTIONS } from '../scenarios/stalled.js';
import { format, joined, list, warning } from './parts.js';

/** The part of RESULTS.md begins with this. */
export const STALLED_TITLE = '# Receivers that do not read';

const megabytes =
  (point) =>
  ({ rss }) =>
    rss[point] / 1e6;

const ROWS = [
  ['RSS, idle', 'MB', megabytes('before')],
  ['RSS, highest', 'MB', megabytes('peak')],
  ['RSS, clients gone', 'MB', megabytes('left')],
  ['RSS, after a rest', 'MB', megabytes('rested')],
  ["the system's buffers of all sockets", 'MB', ({ inSockets }) => inSockets / 1e6],
  ['sockets, stalled', '', ({ files }) => files.stalled.sockets],
  ['pipes, stalled', '', ({ files }) => files.stalled.pipes],
  ['more sockets, clients gone', '', ({ files }) => files.left.sockets - files.before.sockets],
  ['more sockets, half-close time-out over', '', ({ files }) => files.late.sockets - files.before.sockets],
  ['more sockets, in the end', '', ({ files }) => files.after.sockets - files.before.sockets],
  ['more pipes, in the end', '', ({ files }) => files.after.pipes - files.before.pipes],
  ['connections lost', '', ({ lost }) => lost],
  ['aborted by the system', '', ({ aborted }) => aborted],
];

export const stalledPage = ({ quick, sizes, before, forwarders, results, failures }) =>
  joined([
    STALLED_TITLE,
    warning(quick),
    before,
    list('Failures', failures),
    ...DIRECTIONS.map(({ key, title }) => directionPart(title, forwarders, results[key] ?? {})),
    notes(sizes),
  ]);

const directionPart = (title, forwarders, results) => {
  const known = forwarders.filter(({ key }) => results[key]);
  if (known.length === 0) return '';
  const lines = ROWS.map(([row, unit, figure]) => [
    row,
    unit,
    ...known.map(({ key }) => formatFigure(figure(results[key]))),
  ]);
  return joined([`Endlessly ${title}:`, table([['', 'unit', ...known.map(({ name }) => name)], ...lines])]);
};

/** @returns what is left open, or ''. Other forwarders keep what they like: only their figures are shown */
export const failureOf = ({ role }, { files, lost }) =>
  role === 'own'
    ? [...moreFiles(files.before, files.after), ...(lost > 0 ? [`${lost} connections lost`] : [])].join(', ')
    : '';

const notes = ({ connections, stallMs, leftMs, restMs, limitMs }) =>
  `
- ${format(connections)} connections through one forwarder, each with a sender that sends as much as it can and a receiver that reads
  nothing, for ${stallMs / 1_000} s. Then the clients reset their connections.
- RSS is that of the forwarder alone, without the system's buffers of sockets. "Highest" is of samples, ten a second.
- The sockets hold about 2 GB. Where that is more than the system allows (\`tcp_mem\` of tcp(7)), it aborts connections, those of
  other programs too: "aborted by the system" counts them, as far as they were closed.
- "Clients gone": ${leftMs / 1_000} s after their resets. "Half-close time-out over": as soon as no more files are open than at the beginning,
  or after ${limitMs / 1_000} s. "In the end": after the upstream is gone too. "After a rest": ${restMs / 1_000} s later.
- Fails when files of any kind are left open, or when connections were lost.
`.trim();
