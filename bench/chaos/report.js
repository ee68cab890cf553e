// Formats the figures as Markdown with aligned tables, which a terminal shows the same way.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { median } from '../lib/median.js';
import { summarizeExpectations } from './expectations.js';
import { SANDBOXES } from './sandbox/sandbox.js';

const TITLE = '# Chaos';
/** The parts of CHAOS.md in their order. */
const PARTS = ['Faults', 'Random', 'Cost'];

const HEADER = [
  'fault',
  'detected, ms',
  'serves again, ms',
  'longest gap, ms',
  'refused',
  'reset',
  'timed out',
  'held lost',
  'restarts',
  'wrong restarts',
  'status',
  'expected',
];

/** @returns CHAOS.md with this part replaced and the others unchanged */
export const replacePart = (earlier, { name, text }) => {
  const parts = new Map(
    earlier
      .split(/^(?=## )/m)
      .filter((part) => part.startsWith('## '))
      .map((part) => [/^## (.*)/.exec(part)[1], part.trimEnd()]),
  );
  parts.set(name, text);
  return `${[TITLE, ...PARTS.flatMap((title) => parts.get(title) ?? [])].join('\n\n')}\n`;
};

const CLEAN =
  'At the end everything was up; no orphan, no leaked file, no stale socket, pid or lock file: ok';

/** @param rows one entry for each fault, with the figures of its rounds */
export const faultsPart = ({ rows, args, rounds, leftOut }) =>
  part('Faults', args, [
    `Medians of ${rounds} rounds (the worst in brackets). The clients make 200 new connections a second and hold 50, on the port under fault, or on all ports when the fault affects all. Intervals and thresholds are the defaults, except maxRestarts, which is ${SANDBOXES.usual.monitor.maxRestarts}: many rounds on few ports must not open the circuit breaker. "Restarts" counts those of the ports under fault, by PM2 and by the monitor.`,
    table([HEADER, ...rows.map(lineOf)]),
    ...omissions(leftOut),
    ...rows.flatMap(({ fault, figures }) =>
      figures.flatMap(({ failures }, round) =>
        failures.map((text) => `FAIL ${fault.key}, round ${round + 1}: ${text}`),
      ),
    ),
  ]);

export const randomPart = ({
  counts,
  totals,
  memory,
  failures,
  left,
  turns,
  pairs,
  args,
  minutes,
  seed,
  leftOut,
}) =>
  part('Random', args, [
    `${minutes} minutes of random faults, ports and pauses with seed ${seed}: ${turns} turns, ${pairs} of them with two faults at once on different ports. The clients make 200 new connections a second and hold 50, on the ports under fault. Faults that end the monitor came in the first third only, so that one monitor process lived through the rest.`,
    table([
      ['fault', 'times', 'seconds until all was up again, median', 'longest', 'wrong restarts'],
      ...counts.map(({ title, seconds, wrong }) => [
        title,
        `${seconds.length}`,
        median(seconds).toFixed(1),
        Math.max(...seconds).toFixed(1),
        `${wrong}`,
      ]),
    ]),
    `${totals.attempts} connections: ${totals.refused} refused, ${totals.reset} reset, ${totals.timedOut} timed out.`,
    memory,
    ...failures.map((text) => `FAIL ${text}`),
    ...(left.length === 0 ? [CLEAN] : left.map((text) => `FAIL at the end: ${text}`)),
    ...omissions(leftOut),
  ]);

export const costPart = ({ rows, args }) =>
  part('Cost', args, [
    'Idle proxies with the defaults, each with an application on the same machine (probe: listen). CPU is milliseconds per second, user and system; medians of six windows of ten seconds, the worst in brackets. The daemon is measured with the monitor and without.',
    `TCP sockets on the machine at the end, TIME_WAIT included: ${sockets()}. The monitor reads the kernel's tables of them.`,
    table([
      [
        'proxies',
        'monitor, CPU ms/s',
        'monitor, RSS MB',
        'PM2 daemon with it, CPU ms/s',
        'without it',
        'caused by it',
        'one proxy, CPU ms/s',
        'one proxy, RSS MB',
      ],
      ...rows.map(({ count, monitor, rss, daemon, daemonAlone, proxy, proxyRss }) => [
        `${count}`,
        spread(monitor, 1),
        spread(rss, 1),
        spread(daemon, 1),
        spread(daemonAlone, 1),
        (median(daemon) - median(daemonAlone)).toFixed(1),
        spread(proxy, 2),
        spread(proxyRss, 1),
      ]),
    ]),
  ]);

const part = (name, args, paragraphs) => ({
  name,
  text: [
    `## ${name}`,
    `\`npm run chaos${args.length > 0 ? ` -- ${args.join(' ')}` : ''}\``,
    machine(),
    ...paragraphs,
  ].join('\n\n'),
});

const omissions = (leftOut) => (leftOut.length > 0 ? [`LEFT OUT: ${leftOut.join('; ')}`] : []);

const machine = () =>
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpus()[0].model}), ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}, ${versions()}. Load average at the end: ${loadavg()[2].toFixed(1)} over 15 min.`;

/** @returns the TCP sockets of every process (/proc/net/sockstat) */
const sockets = () => {
  const [, inUse, waiting] =
    /TCP: inuse (\d+) .*tw (\d+)/.exec(readFileSync('/proc/net/sockstat', 'utf8')) ?? [];
  return Number(inUse) + Number(waiting);
};

const versions = () => {
  const version = (path) =>
    JSON.parse(readFileSync(createRequire(import.meta.url).resolve(path), 'utf8')).version;
  return `Node.js ${process.version}, PM2 ${version('pm2/package.json')}, steadyport ${version('../../package.json')}`;
};

const lineOf = ({ fault, figures }) => [
  fault.title,
  spread(figures.map(({ detectMs }) => detectMs)),
  spread(figures.map(({ serveMs }) => serveMs)),
  spread(figures.map(({ gapMs }) => gapMs)),
  ...['refused', 'reset', 'timedOut', 'lost', 'restarts', 'wrongRestarts'].map((field) =>
    spread(figures.map((round) => round[field])),
  ),
  [
    ...new Set(figures.flatMap(({ causes, note }) => [...causes, ...(note ? [note] : [])])),
    ...shown(fault, figures),
  ].join(', ') || '–',
  summarizeExpectations(fault, figures),
];

/** @returns the figures that only this fault has */
const shown = ({ shows = {} }, figures) =>
  Object.entries(shows).map(([name, text]) => `${text}: ${spread(figures.map((round) => round[name]))}`);

const spread = (numbers, digits = 0) => {
  const known = numbers.filter((number) => number !== undefined);
  if (known.length === 0) return '–';
  const middle = median(known).toFixed(digits);
  const max = Math.max(...known).toFixed(digits);
  return middle === max ? middle : `${middle} (${max})`;
};

const table = ([header, ...lines]) => {
  const widths = header.map((_, column) =>
    Math.max(...[header, ...lines].map((line) => line[column].length)),
  );
  const format = (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [format(header), format(widths.map((width) => '-'.repeat(width))), ...lines.map(format)].join('\n');
};
