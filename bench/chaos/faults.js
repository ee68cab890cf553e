// Every fault so many times, and the figures of each.
import { setTimeout as sleep } from 'node:timers/promises';
import { verdicts } from './expectations.js';
import { runRound } from './round.js';
import { openPlace } from './sandbox.js';

/** @returns one row for each fault: its figures, round by round */
export const runFaults = async ({ faults, rounds }, progress) => {
  const rows = faults.map((fault) => ({ fault, figures: [] }));
  for (const name of new Set(faults.map(placeOf))) {
    const place = await openPlace(name);
    await runAt(
      place,
      rows.filter(({ fault }) => placeOf(fault) === name),
      rounds,
      progress,
    );
    place.close();
  }
  return rows;
};

const placeOf = ({ place = 'usual' }) => place;

/** Each round takes the next port: a port rests while the others are under fault. */
const runAt = async (place, rows, rounds, progress) => {
  const endedAt = new Map();
  let turn = 0;
  for (let round = 1; round <= rounds; round += 1)
    for (const { fault, figures } of rows) {
      turn += 1;
      const restMs = (endedAt.get(fault) ?? 0) + (fault.restMs ?? 0) - Date.now();
      if (restMs > 0) await sleep(restMs);
      const some = await runRound(fault, place, targetsOf(fault, place.proxies, turn));
      endedAt.set(fault, Date.now());
      figures.push(some);
      tell(fault, some, `${fault.key} ${round}/${rounds}`, progress);
    }
};

/** @param turn a number that goes through the proxies that fit */
export const targetsOf = (fault, proxies, turn) => {
  if (fault.isAboutAll) return proxies;
  const fitting = fault.isBeyond
    ? proxies.filter(({ isBeyond }) => isBeyond)
    : proxies.filter(
        ({ isHttp, isBeyond, engine }) =>
          !isBeyond && (isHttp || !fault.needsHttpProbe) && (!fault.engine || engine === fault.engine),
      );
  return [fitting[turn % fitting.length]];
};

/** Where it is not as it should be, with the monitor's own words. */
const tell = (fault, some, what, progress) => {
  const said = verdicts(fault, [some]);
  progress(`${what}: ${oneLine(some)} ${said}`);
  for (const failure of some.failures) progress(`  FAIL: ${failure}`);
  if (/MISS|FAIL/.test(said))
    for (const { time, text, cause } of some.lines) progress(`  | ${time} ${text} [${cause}]`);
};

const oneLine = ({ lines, causes, failures, after, ...figures }) =>
  `${Object.entries(figures)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')}, ${causes.join('+') || 'no cause'};`;
