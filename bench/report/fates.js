import { moreFiles } from '../lib/settle.js';
import { formatFigure, table } from '../lib/table.js';
import { format, joined, list, warning } from './parts.js';

/** The part of RESULTS.md begins with this. */
export const FATES_TITLE = '# Connections of all fates';

/** What a client may see: its own leaving, and an end or a reset. */
const EXPECTED = ['no end', 'end', 'ECONNRESET', 'EPIPE'];

const FILES = ['sockets', 'pipes', 'others'].flatMap((kind) =>
  ['before', 'after'].map((point) => [`${kind}, ${point}`, '', ({ files }) => files[point][kind]]),
);

const ROWS = [
  ['connections', '', ({ counts }) => sumOf(counts, () => true)],
  ['saw an end', '', ({ counts }) => counts.end ?? 0],
  ['saw a reset', '', ({ counts }) => (counts.ECONNRESET ?? 0) + (counts.EPIPE ?? 0)],
  ['left before either', '', ({ counts }) => counts['no end'] ?? 0],
  ['saw anything else', '', ({ counts }) => sumOf(counts, (saw) => !EXPECTED.includes(saw))],
  ['aborted by the system', '', ({ aborted }) => aborted],
  ['kills of the upstream', '', ({ kills }) => kills],
  ['duration', 's', ({ tookSeconds }) => tookSeconds],
  ...FILES,
  ['until no more are open than before', 's', ({ backMs }) => backMs / 1_000],
  ['RSS, before', 'MB', ({ rss }) => rss.before / 1e6],
  ['RSS, at the end', 'MB', ({ rss }) => rss.end / 1e6],
  ['RSS, after a rest', 'MB', ({ rss }) => rss.rested / 1e6],
];

export const fatesPage = ({ quick, sizes, before, forwarders, results, failures }) => {
  const known = forwarders.filter(({ key }) => results[key]);
  const lines = ROWS.map(([title, unit, figure]) => [
    title,
    unit,
    ...known.map(({ key }) => formatFigure(figure(results[key]))),
  ]);
  return joined([
    FATES_TITLE,
    warning(quick),
    before,
    list('Failures', failures),
    known.length > 0 ? table([['', 'unit', ...known.map(({ name }) => name)], ...lines]) : '',
    notes(sizes),
  ]);
};

/** @returns what is left open and what no client should see, or '' */
export const failureOf = ({ counts, files, aborted }) => {
  const unexpected = Object.entries(counts).filter(([saw]) => !EXPECTED.includes(saw));
  return [
    ...moreFiles(files.before, files.after),
    ...unexpected.map(([saw, count]) => `${count} × ${saw}`),
    ...(aborted > 0
      ? [`${aborted} connections were aborted by the system, which had no more memory for TCP`]
      : []),
  ].join(', ');
};

const sumOf = (counts, isMeant) =>
  Object.entries(counts).reduce((sum, [saw, count]) => (isMeant(saw) ? sum + count : sum), 0);

const notes = ({ connections, warmUp, killEveryMs, downMs, restMs }) =>
  `
- ${format(connections)} connections through one proxy, 200 at a time. Client and upstream each draw by chance whether they read, whether
  they write nothing, up to 500 kB or endlessly, when they leave (at once, within 200 ms, after the peer), and how: with a
  FIN, by closing, with a reset, or with a reset after the FIN. "At once" is, for a client, before it is connected.
- Every ${killEveryMs / 1_000} s the upstream is killed with SIGKILL and started again ${downMs} ms later: clients are cut, held, or refused.
- "Before": after ${format(warmUp)} such connections. "After": as soon as no more files are open than before, or after 90 s, which
  is longer than the half-close time-out. "After a rest": ${restMs / 1_000} s later.
- Fails when files of any kind are left open.
`.trim();
