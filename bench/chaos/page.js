// The figures as Markdown whose tables are aligned, so that a terminal shows the same text.
import { cpus, loadavg, release, totalmem } from 'node:os';
import { median } from './figures.js';
import { RESTART_BUDGET } from './place.js';

const HEADER = [
  'fault',
  'detected, ms',
  'serves again, ms',
  'longest gap, ms',
  'refused',
  'reset',
  'timed out',
  'held lost',
  'wrong restarts',
  'the status said',
  'expected',
];

/** @param rows one entry for each fault, with the figures of its rounds */
export const page = ({ rows, args, versions, rounds }) =>
  [
    `# Chaos\n\n\`npm run chaos ${args.length > 0 ? `-- ${args.join(' ')}` : ''}\``.trimEnd(),
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpus()[0].model}), ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}, ${versions}. Load average at the end: ${loadavg()[2].toFixed(1)} over 15 min.`,
    `Medians of ${rounds} rounds (the worst in brackets). 200 new connections a second and 50 held ones on the port under fault. Intervals and thresholds are the defaults, but for a restartBudget of ${RESTART_BUDGET}: many rounds on few ports are no reason to give up.`,
    table([HEADER, ...rows.map(lineOf)]),
    ...rows.flatMap(({ fault, figures }) =>
      figures.flatMap(({ failures }, round) =>
        failures.map((text) => `FAIL ${fault.key}, round ${round + 1}: ${text}`),
      ),
    ),
  ].join('\n\n');

const lineOf = ({ fault, figures }) => [
  fault.title,
  spread(figures.map(({ detectMs }) => detectMs)),
  spread(figures.map(({ serveMs }) => serveMs)),
  spread(figures.map(({ gapMs }) => gapMs)),
  ...['refused', 'reset', 'timedOut', 'lost', 'wrongRestarts'].map((field) =>
    spread(figures.map((one) => one[field])),
  ),
  [...new Set(figures.flatMap(({ causes, said }) => [...causes, ...(said ? [said] : [])]))].join(', ') || '–',
  verdicts(fault, figures),
];

/** A figure by its median, everything else in every round. */
export const verdicts = (fault, figures) => {
  const isLeft = figures.some(({ failures }) => failures.length > 0);
  const middle = middleOf(figures);
  const lines = fault.expected.map(({ text, holds }) => {
    const isMet = /within/.test(text) ? holds(middle) : figures.every(holds);
    return `${text}: ${isMet ? 'ok' : 'MISS'}`;
  });
  return [...lines, ...(isLeft ? ['FAIL'] : [])].join('; ');
};

const middleOf = (figures) => ({
  serveMs: median(figures.map(({ serveMs }) => serveMs)),
  monitorMs: median(figures.map(({ monitorMs }) => monitorMs ?? Number.POSITIVE_INFINITY)),
});

const spread = (numbers) => {
  const known = numbers.filter((one) => one !== undefined);
  if (known.length === 0) return '–';
  const [middle, most] = [Math.round(median(known)), Math.max(...known)];
  return middle === most ? `${middle}` : `${middle} (${most})`;
};

const table = ([header, ...lines]) => {
  const widths = header.map((_, column) =>
    Math.max(...[header, ...lines].map((line) => line[column].length)),
  );
  const format = (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [format(header), format(widths.map((width) => '-'.repeat(width))), ...lines.map(format)].join('\n');
};
