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
  ['duplicated', ({ duplicated }) => duplicated],
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

/** @returns the failure of a way of the proxies' own code, which must lose nothing; otherwise '' */
export const failureOf = ({ isOwn }, { lost, torn, duplicated, disordered }) =>
  isOwn && lost + torn + duplicated + disordered > 0
    ? `${lost} lines lost, ${torn} torn, ${duplicated} duplicated, ${disordered} out of order`
    : '';

const notes = ({ lines, rate, rotations, proxySeconds }) =>
  `
- "A proxy": as PM2 runs it, with wrk and nginx for ${proxySeconds} s of new connections; each of them must have a line.
- All other ways: a process under a real PM2 writes ${format(lines)} numbered lines, ${format(rate)} a second at most. "Written by the proxy": by the proxies' own code; "written by PM2": to its stdout, which
  PM2's daemon reads and writes to the file. The writer waits for PM2, so that no line is lost before a rotation.
- Meanwhile the real logrotate runs ${rotations} times with \`--force\`; it compresses all files but the newest. The module rotates by
  size, which it checks each second, and compresses; for it the lines come more slowly, so that it rotates several times.
- Then the lines of all files are checked. A line without its whole text is torn.
`.trim();
