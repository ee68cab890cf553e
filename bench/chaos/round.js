// Runs one fault once: starts the clients, injects the fault, waits for recovery, looks for leftovers.
import { setTimeout as sleep } from 'node:timers/promises';
import { leftovers } from './leftovers.js';
import { figuresOf } from './measurements.js';
import { cutLogs } from './sandbox/pm2-sandbox.js';
import { follow, isAllUp, readStatus, statusUntil } from './sandbox/status.js';

export const CLIENTS = { rate: 200, count: 50 };
const BEFORE_MS = 1_000;
const AFTER_MS = 1_000;
/** On the slowest port a client connects every 40 ms. */
const SERVED = { windowMs: 500 };
const UP_AGAIN_LIMIT_MS = 90_000;

/**
 * @param sandbox the PM2 sandbox, its proxies and the workers
 * @param targets the proxies under fault, to which the clients connect
 * @returns the figures; `failures` lists what was wrong in the end
 */
export const runRound = async (fault, sandbox, targets) => {
  const { pm2Sandbox, clients, baseline } = sandbox;
  await statusUntil(pm2Sandbox, isAllUp, UP_AGAIN_LIMIT_MS, 'all up before the fault');
  cutLogs(pm2Sandbox);
  const before = await readStatus(pm2Sandbox);
  await clients.call('start', { ...CLIENTS, ports: targets.map(({ port }) => port) });
  await sleep(BEFORE_MS);
  const followed = follow(pm2Sandbox);
  let faultAt = Date.now();
  const failures = [];
  const mark = () => {
    faultAt = Date.now();
  };
  const tools = { ...sandbox, targets, target: targets[0], before, mark, faultAt: () => faultAt };
  const extra = await fault.run(tools).catch((error) => ({ problem: error.message }));
  if (extra?.problem) failures.push(extra.problem);
  await fault.heal?.(tools);
  const after = await recovered(sandbox).catch((error) => {
    failures.push(error.message);
    return readStatus(pm2Sandbox);
  });
  await sleep(AFTER_MS);
  const log = await followed.end();
  const ends = await clients.call('stop');
  failures.push(...(await leftovers(pm2Sandbox, baseline)));
  const last = (await readStatus(pm2Sandbox)) ?? after ?? before;
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

/** Waits until the clients are served and the monitor reports all proxies up. */
export const recovered = async ({ pm2Sandbox, clients }) => {
  for (
    const giveUpAt = Date.now() + UP_AGAIN_LIMIT_MS;
    !(await clients.call('isServed', SERVED));
    await sleep(50)
  )
    if (Date.now() > giveUpAt)
      throw new Error(`not every client is served after ${UP_AGAIN_LIMIT_MS / 1_000} s`);
  return statusUntil(pm2Sandbox, isAllUp, UP_AGAIN_LIMIT_MS, 'all up again');
};
