import { parseArgs } from 'node:util';
import { FORWARDERS } from './forwarders.js';
import { MEASURES } from './measures/index.js';
import { SIZES } from './sizes.js';

const DEFAULT_ROUNDS = 5;
const MOST_ROUNDS = 100;
const keysOf = (table) => table.map(({ key }) => key).join(', ');

const USAGE = `npm run bench -- [--rounds N] [--only MEASURE,…] [--forwarders NAME,…] [--quick] [--write]
  --rounds      how often; the figures are medians (default: ${DEFAULT_ROUNDS}; with --quick: 1)
  --only        ${keysOf(MEASURES)}
  --forwarders  ${keysOf(FORWARDERS)}
  --quick       little loads, to see that it works: the figures mean nothing
  --write       writes bench/RESULTS.md`;

/** @throws Error with a text for whoever called, when an option or its value is not known */
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
      },
    });
    return {
      ...values,
      rounds: roundsOf(values),
      sizes: values.quick ? SIZES.quick : SIZES.full,
      measures: chosen('only', values.only, MEASURES),
      forwarders: chosen('forwarders', values.forwarders, FORWARDERS),
    };
  } catch (error) {
    throw new Error(`${error.message}\n\n${USAGE}`, { cause: error });
  }
};

const roundsOf = ({ rounds, quick }) => {
  if (rounds === undefined) return quick ? 1 : DEFAULT_ROUNDS;
  const number = Number(rounds);
  if (!/^\d+$/.test(rounds) || number < 1 || number > MOST_ROUNDS)
    throw new Error(`--rounds is a number from 1 to ${MOST_ROUNDS}, not "${rounds}"`);
  return number;
};

/** In the order of the table. */
const chosen = (option, list, table) => {
  if (list === undefined) return table;
  const keys = list.split(',');
  const unknown = keys.find((key) => !table.some((entry) => entry.key === key));
  if (unknown !== undefined)
    throw new Error(`--${option} does not know "${unknown}"; there is: ${keysOf(table)}`);
  return table.filter(({ key }) => keys.includes(key));
};
