import { formatFigure, table } from '../lib/table.js';
import { format, joined, list, warning } from './parts.js';

/** The part of RESULTS.md begins with this. */
export const ROTATION_TITLE = '# What rotation loses';

const COLUMNS = [
  ['lines', ({ lines }) => lines],
  ['lines, 1/s', ({ rate }) => Math.round(rate)],
  ['rotations', ({ rotations }) => rotations],
  ['lost', ({ lost }) => lost],
  ['torn', ({ torn }) => torn],
  ['twice', ({ doubled }) => doubled],
  ['out of order', ({ disordered }) => disordered],
  ['CPU of the writer, 1,000 lines, ms', ({ writerMs }) => writerMs],
  ["CPU of PM2's daemon, 1,000 lines, ms", ({ daemonMs }) => daemonMs],
];

export const rotationPage = ({ quick, sizes, before, leftOut, ways, results, failures }) =>
  joined([
    ROTATION_TITLE,
    warning(quick),
    before,
    list('Left out', leftOut),
    list('Failures', failures),
    table(
      [
        ['', ...COLUMNS.map(([title]) => title)],
        ...ways
          .filter(({ key }) => results[key])
          .map(({ key, title }) => [title, ...COLUMNS.map(([, of]) => formatFigure(of(results[key])))]),
      ],
      1,
    ),
    notes(sizes),
  ]);

/** What the proxies' own way must not have. */
export const failureOf = ({ isOwn }, { lost, torn, doubled, disordered }) =>
  isOwn && lost + torn + doubled + disordered > 0
    ? `${lost} lines lost, ${torn} torn, ${doubled} twice, ${disordered} out of order`
    : '';

const notes = ({ lines, rate, rotations, proxySeconds }) =>
  `
- "A proxy": as PM2 runs it, with wrk and nginx for ${proxySeconds} s of new connections; there must be a line for each of them.
- All else: a process under a real PM2 writes ${format(lines)} numbered lines, ${format(rate)} a second if they are taken so fast. "Written by the proxy": with the proxies' own code; "written by PM2": to its stdout, which
  PM2's daemon reads and writes to the file. What PM2 cannot take in time is waited for, and does not count as lost.
- Meanwhile the real logrotate is run ${rotations} times with \`--force\`; it compresses all files but the newest. The module rotates by
  size, when it looks each second, and compresses; for it the lines come more slowly, so that it comes to rotate several times.
- Then the lines of all files are looked at, one after the other. A line that has not its whole text is torn.
`.trim();
