// One fault, once: the clients come, the fault, the recovery, what is left.
import { setTimeout as sleep } from 'node:timers/promises';
import { leftovers } from './leftovers.js';
import { figuresOf } from './measurements.js';
import { cutLogs } from './pm2-sandbox.js';
import { follow, isAllUp, readStatus, statusUntil } from './status.js';

export const CLIENTS = { rate: 200, count: 50 };
const BEFORE_MS = 1_000;
const AFTER_MS = 1_000;
/** On the slowest port each client comes 40 ms after the one before. */
const SERVED = { windowMs: 500 };
const UP_AGAIN_LIMIT_MS = 90_000;

/**
 * @param place what everything happens at: the station, its proxies, the helpers
 * @param targets the proxies that the fault is about; the clients come to the first one, or to all of them
 * @returns the figures; `failures` says what was wrong in the end
 */
export const runRound = async (fault, place, targets) => {
  const { station, clients, baseline } = place;
  await statusUntil(station, isAllUp, UP_AGAIN_LIMIT_MS, 'all up before the fault');
  cutLogs(station);
  const before = await readStatus(station);
  await clients.ask('start', { ...CLIENTS, ports: targets.map(({ port }) => port) });
  await sleep(BEFORE_MS);
  const followed = follow(station);
  let faultAt = Date.now();
  const failures = [];
  const mark = () => {
    faultAt = Date.now();
  };
  const tools = { ...place, targets, target: targets[0], before, mark, faultAt: () => faultAt };
  const extra = await fault.run(tools).catch((error) => ({ problem: error.message }));
  if (extra?.problem) failures.push(extra.problem);
  await fault.heal?.(tools);
  const after = await recovered(place).catch((error) => {
    failures.push(error.message);
    return readStatus(station);
  });
  await sleep(AFTER_MS);
  const [log, ends] = [await followed.end(), await clients.ask('stop')];
  failures.push(...(await leftovers(station, baseline)));
  const last = (await readStatus(station)) ?? after ?? before;
  const figures = figuresOf({
    clients: ends,
    followed: log,
    before,
    after: extra?.after ?? last,
    faultAt,
    endAt: extra?.endAt ?? Number.POSITIVE_INFINITY,
    targets,
    isExpected: fault.restarts !== 0,
  });
  return { ...figures, ...extra, failures };
};

/** The clients are served, and the monitor says so. */
export const recovered = async ({ station, clients }) => {
  for (
    const giveUpAt = Date.now() + UP_AGAIN_LIMIT_MS;
    !(await clients.ask('isServed', SERVED));
    await sleep(50)
  )
    if (Date.now() > giveUpAt)
      throw new Error(`not every client is served after ${UP_AGAIN_LIMIT_MS / 1_000} s`);
  return statusUntil(station, isAllUp, UP_AGAIN_LIMIT_MS, 'all up again');
};
