// Injects random faults on random ports with random pauses; in the end everything must be as before.
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../lib/median.js';
import { targetsOf } from './faults.js';
import { leftovers } from './leftovers.js';
import { restarts } from './measurements.js';
import { createRng } from './rng.js';
import { CLIENTS, recovered } from './round.js';
import { cutLogs } from './sandbox/pm2-sandbox.js';
import { residentBytes } from './sandbox/processes.js';
import { openSandbox } from './sandbox/sandbox.js';
import { isAllUp, readStatus, statusUntil } from './sandbox/status.js';

/** So large that its remainder by the number of proxies is nearly uniform. */
const MAX_TURN = 1_000_000;
const MAX_PAUSE_MS = 5_000;
/** One fault in PAIR_EVERY comes together with a second one. */
const PAIR_EVERY = 3;
const SETTLE_MS = 12_000;
const UP_LIMIT_MS = 90_000;
const SAMPLE_MS = 5_000;
/** The memory of a process grows during its first minutes: samples before this age do not count. */
const WARM_UP_MS = 120_000;
/** The last quarter's median may be this many times the first quarter's. */
const MAX_GROWTH = 1.1;

/** @param faults those of the sandbox "usual" are used */
export const runRandom = async ({ faults, minutes, seed }, progress) => {
  const sandbox = await openSandbox('usual');
  const pool = faults.filter(({ sandbox: name = 'usual' }) => name === 'usual');
  const counts = new Map(pool.map(({ title }) => [title, { title, seconds: [], wrong: 0 }]));
  const totals = { attempts: 0, refused: 0, reset: 0, timedOut: 0 };
  const failures = [];
  let turns = 0;
  let pairs = 0;
  const rng = createRng(seed);
  const startedAt = Date.now();
  const share = () => (Date.now() - startedAt) / (minutes * 60_000);
  const memory = watchMemory(sandbox.pm2Sandbox);
  while (share() < 1) {
    const turn = chooseTurn(
      rng,
      share() < 1 / 3 ? pool : pool.filter((fault) => !fault.endsMonitor),
      sandbox,
    );
    turns += 1;
    pairs += turn.length - 1;
    const result = await playTurn(turn, sandbox).catch((error) => ({ failures: [error.message] }));
    const title = turn.map(
      ({ fault, targets: [{ port }] }) => `${fault.key} ${fault.affectsAll ? '' : port}`,
    );
    progress(`${(100 * share()).toFixed(0)} % ${title.join(' + ')}: ${JSON.stringify(result)}`);
    failures.push(...result.failures.map((text) => `${title.join(' + ')}: ${text}`));
    for (const { fault } of turn) {
      const count = counts.get(fault.title);
      if (result.seconds !== undefined) count.seconds.push(result.seconds);
      count.wrong += result.wrong ?? 0;
    }
    if (result.wrong > 0) failures.push(`${title.join(' + ')}: ${result.wrong} wrong restarts`);
    for (const name of Object.keys(totals)) totals[name] += result[name] ?? 0;
    await sleep(rng.below(MAX_PAUSE_MS));
  }
  const left = [];
  await statusUntil(sandbox.pm2Sandbox, isAllUp, UP_LIMIT_MS, 'all up at the end').catch((error) =>
    left.push(error.message),
  );
  await sleep(SETTLE_MS);
  left.push(...(await leftovers(sandbox.pm2Sandbox, sandbox.baseline)));
  const { text, isFlat } = memory.end();
  if (!isFlat) left.push("the monitor's memory grows");
  sandbox.close();
  const played = [...counts.values()].filter(({ seconds }) => seconds.length > 0);
  return { counts: played, totals, failures, left, turns, pairs, memory: text };
};

/** Chooses one fault, or two that do not disturb each other, each with its targets. */
const chooseTurn = (rng, pool, { proxies }) => {
  const take = (fault) => ({ fault, targets: targetsOf(fault, proxies, rng.below(MAX_TURN)) });
  const first = take(rng.pick(pool));
  const fits = ({ fault, targets }) =>
    !fault.isExclusive && fault !== first.fault && targets[0] !== first.targets[0];
  if (first.fault.isExclusive || !rng.isOneIn(PAIR_EVERY)) return [first];
  const second = take(rng.pick(pool));
  return fits(second) ? [first, second] : [first];
};

const playTurn = async (turn, sandbox) => {
  const { pm2Sandbox, clients } = sandbox;
  cutLogs(pm2Sandbox);
  const before = await statusUntil(pm2Sandbox, isAllUp, UP_LIMIT_MS, 'all up before the fault');
  const names = new Set(turn.flatMap(({ targets }) => targets.map(({ name }) => name)));
  await clients.call('start', { ...CLIENTS, ports: [...new Set(turn.flatMap(portsOf))] });
  const faultAt = Date.now();
  const failures = [];
  const toolsOf = ({ targets }) => ({
    ...sandbox,
    targets,
    target: targets[0],
    before,
    mark: () => {},
    faultAt: () => faultAt,
  });
  const ends = await Promise.all(
    turn.map(async (entry) => {
      const tools = toolsOf(entry);
      const end = await entry.fault.run(tools).catch((error) => void failures.push(error.message));
      await entry.fault.heal?.(tools);
      return end;
    }),
  );
  const last = await recovered(sandbox).catch((error) => {
    failures.push(error.message);
    return readStatus(pm2Sandbox);
  });
  const seconds = (Date.now() - faultAt) / 1_000;
  const { results } = await clients.call('stop');
  const after = ends.find((end) => end?.after)?.after ?? last ?? before;
  const spared = new Set(turn.filter(({ fault }) => fault.restarts === 0).flatMap(({ targets }) => targets));
  const isWrong = ({ name }) => !names.has(name) || [...spared].some((target) => target.name === name);
  const count = (outcome) => results.filter((result) => result.outcome === outcome).length;
  return {
    seconds,
    wrong: restarts(before, after, isWrong),
    attempts: results.length,
    refused: count('refused'),
    reset: count('reset'),
    timedOut: count('timed out'),
    failures,
  };
};

const portsOf = ({ targets }) => targets.map(({ port }) => port);

/** Samples the memory of every monitor process, and evaluates the one that lived longest. */
const watchMemory = (pm2Sandbox) => {
  const lives = new Map();
  const timer = setInterval(async () => {
    const pid = (await readStatus(pm2Sandbox))?.monitor.pid;
    const bytes = pid && residentBytes(pid);
    if (bytes) lives.set(pid, [...(lives.get(pid) ?? []), { at: Date.now(), bytes }]);
  }, SAMPLE_MS);
  return {
    end: () => {
      clearInterval(timer);
      const samples = [...lives.values()].sort((a, b) => b.length - a.length)[0] ?? [];
      const grown = samples.filter(({ at }) => at - samples[0].at >= WARM_UP_MS);
      const quarter = Math.floor(grown.length / 4);
      if (quarter === 0) return { text: "The monitor's memory: not measured for long enough.", isFlat: true };
      const medianMb = (part) => median(part.map(({ bytes }) => bytes)) / 2 ** 20;
      const first = medianMb(grown.slice(0, quarter));
      const last = medianMb(grown.slice(-quarter));
      const lastedMin = ((samples.at(-1).at - samples[0].at) / 60_000).toFixed(0);
      return {
        isFlat: last <= first * MAX_GROWTH,
        text: `The monitor that lived longest, ${lastedMin} min: RSS ${first.toFixed(1)} MB in its first quarter (after two minutes), ${last.toFixed(1)} MB in its last, medians.`,
      };
    },
  };
};
