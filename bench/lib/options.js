import { parseArgs } from 'node:util';
import { MEASURES } from '../scenarios/index.js';
import { FORWARDERS } from '../targets/forwarders.js';
import { ROTATION_SIZES, SIZES, SOAK_SIZES, WATCHED_SIZES } from './sizes.js';

const DEFAULT_ROUNDS = 5;
const MAX_ROUNDS = 100;
const MAX_SECONDS = 3_600;
const keysOf = (table) => table.map(({ key }) => key).join(', ');

const USAGE = `npm run bench -- [--rounds N] [--only MEASURE,…] [--forwarders NAME,…] [--quick] [--write]
npm run bench -- --soak [--seconds N] [--forwarders NAME,…] [--quick] [--write]
npm run bench -- --watched [--rounds N] [--quick] [--write]
npm run bench -- --rotation [--quick] [--write]
  --rounds      the number of rounds; the figures are medians (default: ${DEFAULT_ROUNDS}; with --quick: 1)
  --only        ${keysOf(MEASURES)}
  --forwarders  ${keysOf(FORWARDERS)}
  --quick       small loads, as a test that it works: the figures mean nothing
  --soak        ${SOAK_SIZES.full.held} connections held and ${SOAK_SIZES.full.rate} new ones a second, through kernel, then portable
  --watched     requests through a proxy while the monitor is scraped slowly, and while its webhook hangs
  --seconds     the duration of the new connections (default: ${SOAK_SIZES.full.seconds}; with --quick: ${SOAK_SIZES.quick.seconds})
  --rotation    ${ROTATION_SIZES.full.lines} lines of a log, counted after each way to rotate it
  --write       writes this run's part of bench/RESULTS.md`;

/** @throws Error with a text for the user, when an option or its value is not known */
export const readOptions = (args) => {
  try {
    const { values } = parseArgs({
      args,
      options: {
        rounds: { type: 'string' },
        only: { type: 'string' },
        forwarders: { type: 'string' },
        quick: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        soak: { type: 'boolean', default: false },
        watched: { type: 'boolean', default: false },
        rotation: { type: 'boolean', default: false },
        seconds: { type: 'string' },
      },
    });
    if ([values.soak, values.watched, values.rotation].filter(Boolean).length > 1)
      throw new Error('--soak, --watched and --rotation are runs of their own');
    if (values.watched) return watchedOptions(values);
    if (values.rotation) return rotationOptions(values);
    return values.soak ? soakOptions(values) : measureOptions(values);
  } catch (error) {
    throw new Error(`${error.message}\n\n${USAGE}`, { cause: error });
  }
};

const measureOptions = (values) => {
  if (values.seconds !== undefined) throw new Error('--seconds goes with --soak');
  return {
    ...values,
    kind: 'costs',
    rounds: numberOf('rounds', values.rounds, MAX_ROUNDS) ?? (values.quick ? 1 : DEFAULT_ROUNDS),
    sizes: values.quick ? SIZES.quick : SIZES.full,
    measures: chosen('only', values.only, MEASURES),
    forwarders: chosen('forwarders', values.forwarders, FORWARDERS),
  };
};

const soakOptions = (values) => {
  for (const option of ['rounds', 'only'])
    if (values[option] !== undefined) throw new Error(`--${option} does not go with --soak`);
  const sizes = values.quick ? SOAK_SIZES.quick : SOAK_SIZES.full;
  const seconds = numberOf('seconds', values.seconds, MAX_SECONDS) ?? sizes.seconds;
  const own = FORWARDERS.filter(({ role }) => role === 'own');
  const forwarders = chosen('forwarders', values.forwarders, own);
  return { ...values, kind: 'soak', sizes: { ...sizes, seconds }, measures: [], forwarders };
};

const watchedOptions = (values) => {
  for (const option of ['only', 'forwarders', 'seconds'])
    if (values[option] !== undefined) throw new Error(`--${option} does not go with --watched`);
  const rounds = numberOf('rounds', values.rounds, MAX_ROUNDS) ?? (values.quick ? 1 : DEFAULT_ROUNDS);
  const sizes = values.quick ? WATCHED_SIZES.quick : WATCHED_SIZES.full;
  // The tools of these entries are the requirements of the run.
  const measures = MEASURES.filter(({ key }) => key === 'requests');
  const forwarders = FORWARDERS.filter(({ key }) => key === 'kernel');
  return { ...values, kind: 'watched', rounds, sizes, measures, forwarders };
};

const rotationOptions = (values) => {
  for (const option of ['rounds', 'only', 'forwarders', 'seconds'])
    if (values[option] !== undefined) throw new Error(`--${option} does not go with --rotation`);
  const sizes = values.quick ? ROTATION_SIZES.quick : ROTATION_SIZES.full;
  return { ...values, kind: 'rotation', sizes, measures: [], forwarders: [] };
};

const numberOf = (option, text, max) => {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > max)
    throw new Error(`--${option} is a number from 1 to ${max}, not "${text}"`);
  return number;
};

/** @returns the chosen entries in the order of the table */
const chosen = (option, list, table) => {
  if (list === undefined) return table;
  const keys = list.split(',');
  const unknown = keys.find((key) => !table.some((entry) => entry.key === key));
  if (unknown !== undefined)
    throw new Error(`--${option} does not know "${unknown}"; there is: ${keysOf(table)}`);
  return table.filter(({ key }) => keys.includes(key));
};
