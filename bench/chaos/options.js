import { parseArgs } from 'node:util';
import { FAULTS } from './faults/index.js';

const DEFAULT_ROUNDS = 5;
const DEFAULT_PROXIES = '2,20,100';
const KEYS = FAULTS.map(({ key }) => key);

const USAGE = `npm run chaos -- [--rounds N] [--only FAULT,…] [--write]
npm run chaos -- --random [--minutes M] [--seed N] [--only FAULT,…] [--write]
npm run chaos -- --cost [--proxies N,…] [--write]
  --rounds   how often each fault; the figures are medians (default: ${DEFAULT_ROUNDS})
  --only     ${KEYS.join(', ')}
  --random   random faults, ports and pauses, for --minutes (default: 30)
  --seed     the same number makes the same choices (default: 1)
  --cost     the CPU and the memory of the monitor, with each number of idle --proxies (default: ${DEFAULT_PROXIES})
  --write    writes its part of bench/CHAOS.md`;

/** @throws Error with a text for the user, when an option or its value is not known */
export const readOptions = (args) => {
  try {
    const { values } = parseArgs({
      args,
      options: {
        rounds: { type: 'string', default: `${DEFAULT_ROUNDS}` },
        minutes: { type: 'string', default: '30' },
        seed: { type: 'string', default: '1' },
        only: { type: 'string' },
        random: { type: 'boolean', default: false },
        cost: { type: 'boolean', default: false },
        proxies: { type: 'string', default: DEFAULT_PROXIES },
        write: { type: 'boolean', default: false },
      },
    });
    return {
      mode: values.random ? 'random' : values.cost ? 'cost' : 'faults',
      write: values.write,
      cost: values.proxies.split(',').map((text) => numberOf('proxies', text)),
      rounds: numberOf('rounds', values.rounds),
      minutes: numberOf('minutes', values.minutes),
      seed: numberOf('seed', values.seed),
      faults: chosen(values.only),
    };
  } catch (error) {
    throw new Error(`${error.message}\n\n${USAGE}`, { cause: error });
  }
};

const numberOf = (option, text) => {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new Error(`--${option} is a whole number from 1, not "${text}"`);
};

/** @returns the chosen faults in the order of the table */
const chosen = (list) => {
  if (list === undefined) return FAULTS;
  const keys = list.split(',');
  const unknown = keys.find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    throw new Error(`--only does not know "${unknown}"; there is: ${KEYS.join(', ')}`);
  return FAULTS.filter(({ key }) => keys.includes(key));
};
