import { parseArgs } from 'node:util';
import { MEASURES } from '../scenarios/index.js';
import { FORWARDERS } from '../targets/forwarders.js';
import { FATES_SIZES, ROTATION_SIZES, SIZES, SOAK_SIZES, STALLED_SIZES, WATCHED_SIZES } from './sizes.js';

const DEFAULT_ROUNDS = 5;
const MAX_ROUNDS = 100;
const MAX_SECONDS = 3_600;
const MAX_CONNECTIONS = 1_000_000;
const keysOf = (table) => table.map(({ key }) => key).join(', ');

const USAGE = `npm run bench -- [--rounds N] [--only MEASURE,…] [--forwarders NAME,…] [--quick] [--write]
npm run bench -- --soak [--seconds N] [--forwarders NAME,…] [--quick] [--write]
npm run bench -- --fates [--connections N] [--forwarders NAME,…] [--quick] [--write]
npm run bench -- --stalled [--connections N] [--forwarders NAME,…] [--quick] [--write]
npm run bench -- --watched [--rounds N] [--quick] [--write]
npm run bench -- --rotation [--quick] [--write]
  --rounds      the number of rounds; the figures are medians (default: ${DEFAULT_ROUNDS}; with --quick: 1)
  --only        ${keysOf(MEASURES)}
  --forwarders  ${keysOf(FORWARDERS)}
  --quick       small loads, as a test that it works: the figures mean nothing
  --soak        ${SOAK_SIZES.full.held} connections held and ${SOAK_SIZES.full.rate} new ones a second, through kernel, then portable
  --fates       ${FATES_SIZES.full.connections} connections that end in every way, through kernel, then portable: what they leave open
  --stalled     ${STALLED_SIZES.full.connections} connections whose receiver does not read, in both directions: memory, and what they leave
  --connections the number of those connections
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
        fates: { type: 'boolean', default: false },
        stalled: { type: 'boolean', default: false },
        watched: { type: 'boolean', default: false },
        rotation: { type: 'boolean', default: false },
        seconds: { type: 'string' },
        connections: { type: 'string' },
      },
    });
    const kinds = Object.keys(KINDS).filter((kind) => values[kind]);
    if (kinds.length > 1) throw new Error(`--${kinds.join(' and --')} are runs of their own`);
    const [kind = 'costs'] = kinds;
    return optionsOf(kind, values);
  } catch (error) {
    throw new Error(`${error.message}\n\n${USAGE}`, { cause: error });
  }
};

const ofRole = (...roles) => FORWARDERS.filter(({ role }) => roles.includes(role));

/** What each kind of run takes, besides --quick and --write, and what it measures. The kind is its option's name. */
const KINDS = {
  costs: {
    takes: ['rounds', 'only', 'forwarders'],
    sizes: SIZES,
    read: (values) => ({
      rounds: roundsOf(values),
      measures: chosen('only', values.only, MEASURES),
      forwarders: chosen('forwarders', values.forwarders, FORWARDERS),
    }),
  },
  soak: {
    takes: ['seconds', 'forwarders'],
    sizes: SOAK_SIZES,
    read: (values, sizes) => ({
      sizes: { ...sizes, seconds: numberOf('seconds', values.seconds, MAX_SECONDS) ?? sizes.seconds },
      forwarders: chosen('forwarders', values.forwarders, ofRole('own')),
    }),
  },
  fates: {
    takes: ['connections', 'forwarders'],
    sizes: FATES_SIZES,
    read: (values, sizes) => ({
      sizes: { ...sizes, connections: connectionsOf(values, sizes) },
      forwarders: chosen('forwarders', values.forwarders, ofRole('own')),
    }),
  },
  stalled: {
    takes: ['connections', 'forwarders'],
    sizes: STALLED_SIZES,
    read: (values, sizes) => ({
      sizes: { ...sizes, connections: connectionsOf(values, sizes) },
      forwarders: chosen('forwarders', values.forwarders, ofRole('own', 'peer')),
    }),
  },
  watched: {
    takes: ['rounds'],
    sizes: WATCHED_SIZES,
    // The tools of these entries are the requirements of the run.
    read: (values) => ({
      rounds: roundsOf(values),
      measures: MEASURES.filter(({ key }) => key === 'requests'),
      forwarders: FORWARDERS.filter(({ key }) => key === 'kernel'),
    }),
  },
  rotation: { takes: [], sizes: ROTATION_SIZES, read: () => ({ forwarders: [] }) },
};

const OPTIONS_OF_KINDS = new Set(Object.values(KINDS).flatMap(({ takes }) => takes));

const optionsOf = (kind, values) => {
  const { takes, sizes, read } = KINDS[kind];
  for (const option of OPTIONS_OF_KINDS)
    if (values[option] !== undefined && !takes.includes(option))
      throw new Error(`--${option} does not go with ${kind === 'costs' ? 'this run' : `--${kind}`}`);
  const size = values.quick ? sizes.quick : sizes.full;
  return { ...values, kind, sizes: size, measures: [], ...read(values, size) };
};

const roundsOf = ({ rounds, quick }) =>
  numberOf('rounds', rounds, MAX_ROUNDS) ?? (quick ? 1 : DEFAULT_ROUNDS);

const connectionsOf = ({ connections }, sizes) =>
  numberOf('connections', connections, MAX_CONNECTIONS) ?? sizes.connections;

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
