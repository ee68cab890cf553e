// Injects every fault in each of the rounds, and collects the figures.
import { setTimeout as sleep } from 'node:timers/promises';
import { summarizeExpectations } from './expectations.js';
import { runRound } from './round.js';
import { openSandbox } from './sandbox/sandbox.js';

/** @returns one row for each fault, with its figures by round */
export const runFaults = async ({ faults, rounds }, progress) => {
  const rows = faults.map((fault) => ({ fault, figures: [] }));
  for (const name of new Set(faults.map(sandboxNameOf))) {
    const sandbox = await openSandbox(name);
    await runIn(
      sandbox,
      rows.filter(({ fault }) => sandboxNameOf(fault) === name),
      rounds,
      progress,
    );
    sandbox.close();
  }
  return rows;
};

const sandboxNameOf = ({ sandbox = 'usual' }) => sandbox;

/** Each round takes the next port, so that a port rests while the others are under fault. */
const runIn = async (sandbox, rows, rounds, progress) => {
  const endedAt = new Map();
  let turn = 0;
  for (let round = 1; round <= rounds; round += 1)
    for (const { fault, figures } of rows) {
      turn += 1;
      const restMs = (endedAt.get(fault) ?? 0) + (fault.restMs ?? 0) - Date.now();
      if (restMs > 0) await sleep(restMs);
      const result = await runRound(fault, sandbox, targetsOf(fault, sandbox.proxies, turn));
      endedAt.set(fault, Date.now());
      figures.push(result);
      printRound(fault, result, `${fault.key} ${round}/${rounds}`, progress);
    }
};

/** @param turn chooses among the proxies that fit, modulo their number */
export const targetsOf = (fault, proxies, turn) => {
  if (fault.affectsAll) return proxies;
  const fitting = fault.isRemote
    ? proxies.filter(({ isRemote }) => isRemote)
    : proxies.filter(
        ({ isHttp, isRemote, engine }) =>
          !isRemote && (isHttp || !fault.needsHttpProbe) && (!fault.engine || engine === fault.engine),
      );
  return [fitting[turn % fitting.length]];
};

/** Adds the monitor's log to a round that missed an expectation. */
const printRound = (fault, result, title, progress) => {
  const summary = summarizeExpectations(fault, [result]);
  progress(`${title}: ${formatFigures(result)} ${summary}`);
  for (const failure of result.failures) progress(`  FAIL: ${failure}`);
  if (/MISS|FAIL/.test(summary))
    for (const { time, text, cause } of result.lines) progress(`  | ${time} ${text} [${cause}]`);
};

const formatFigures = ({ lines, causes, failures, after, ...figures }) =>
  `${Object.entries(figures)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')}, ${causes.join('+') || 'no cause'};`;
