// Faults, ports and pauses by chance, for a while; then everything must be as it was.
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../lib/median.js';
import { targetsOf } from './faults.js';
import { leftovers } from './leftovers.js';
import { restarts } from './measurements.js';
import { cutLogs } from './pm2-sandbox.js';
import { residentBytes } from './processes.js';
import { chance } from './rng.js';
import { CLIENTS, recovered } from './round.js';
import { openPlace } from './sandbox.js';
import { isAllUp, readStatus, statusUntil } from './status.js';

/** Of which each proxy has as large a share as any other, nearly. */
const MANY = 1_000_000;
const LONGEST_PAUSE_MS = 5_000;
/** One in so many is joined by another. */
const JOINED = 3;
const SETTLE_MS = 12_000;
const UP_LIMIT_MS = 90_000;
const SAMPLE_MS = 5_000;
/** A young process grows into its size. */
const YOUNG_MS = 120_000;
/** Of its first quarter's median. */
const MOST_GROWTH = 1.1;

/** @param faults those of the usual place are taken */
export const runRandom = async ({ faults, minutes, seed }, progress) => {
  const place = await openPlace('usual');
  const pool = faults.filter(({ place: name = 'usual' }) => name === 'usual');
  const counts = new Map(pool.map(({ title }) => [title, { title, seconds: [], wrong: 0 }]));
  const [totals, failures] = [{ attempts: 0, refused: 0, reset: 0, timedOut: 0 }, []];
  let [turns, pairs] = [0, 0];
  const choose = chance(seed);
  const startedAt = Date.now();
  const share = () => (Date.now() - startedAt) / (minutes * 60_000);
  const memory = watchMemory(place.station);
  while (share() < 1) {
    const turn = chooseTurn(choose, share() < 1 / 3 ? pool : pool.filter((one) => !one.endsMonitor), place);
    turns += 1;
    pairs += turn.length - 1;
    const result = await playTurn(turn, place).catch((error) => ({ failures: [error.message] }));
    const what = turn.map(({ fault, targets: [{ port }] }) => `${fault.key} ${fault.isAboutAll ? '' : port}`);
    progress(`${(100 * share()).toFixed(0)} % ${what.join(' + ')}: ${JSON.stringify(result)}`);
    failures.push(...result.failures.map((text) => `${what.join(' + ')}: ${text}`));
    for (const { fault } of turn) {
      const count = counts.get(fault.title);
      if (result.seconds !== undefined) count.seconds.push(result.seconds);
      count.wrong += result.wrong ?? 0;
    }
    if (result.wrong > 0) failures.push(`${what.join(' + ')}: ${result.wrong} wrong restarts`);
    for (const name of Object.keys(totals)) totals[name] += result[name] ?? 0;
    await sleep(choose.below(LONGEST_PAUSE_MS));
  }
  const left = [];
  await statusUntil(place.station, isAllUp, UP_LIMIT_MS, 'all up at the end').catch((error) =>
    left.push(error.message),
  );
  await sleep(SETTLE_MS);
  left.push(...(await leftovers(place.station, place.baseline)));
  const { text, isFlat } = memory.end();
  if (!isFlat) left.push("the monitor's memory grows");
  place.close();
  const played = [...counts.values()].filter(({ seconds }) => seconds.length > 0);
  return { counts: played, totals, failures, left, turns, pairs, memory: text };
};

/** One fault, or two that do not disturb each other, each with its targets. */
const chooseTurn = (choose, pool, { proxies }) => {
  const take = (fault) => ({ fault, targets: targetsOf(fault, proxies, choose.below(MANY)) });
  const first = take(choose.oneOf(pool));
  const fits = ({ fault, targets }) =>
    !fault.isAlone && fault !== first.fault && targets[0] !== first.targets[0];
  if (first.fault.isAlone || !choose.isOnce(JOINED)) return [first];
  const second = take(choose.oneOf(pool));
  return fits(second) ? [first, second] : [first];
};

const playTurn = async (turn, place) => {
  const { station, clients } = place;
  cutLogs(station);
  const before = await statusUntil(station, isAllUp, UP_LIMIT_MS, 'all up before the fault');
  const names = new Set(turn.flatMap(({ targets }) => targets.map(({ name }) => name)));
  await clients.ask('start', { ...CLIENTS, ports: [...new Set(turn.flatMap(portsOf))] });
  const atMs = Date.now();
  const failures = [];
  const toolsOf = ({ targets }) => ({
    ...place,
    targets,
    target: targets[0],
    before,
    mark: () => {},
    faultAt: () => atMs,
  });
  const ends = await Promise.all(
    turn.map(async (one) => {
      const tools = toolsOf(one);
      const end = await one.fault.run(tools).catch((error) => void failures.push(error.message));
      await one.fault.heal?.(tools);
      return end;
    }),
  );
  const last = await recovered(place).catch((error) => {
    failures.push(error.message);
    return readStatus(station);
  });
  const seconds = (Date.now() - atMs) / 1_000;
  const { results } = await clients.ask('stop');
  const after = ends.find((end) => end?.after)?.after ?? last ?? before;
  const spared = new Set(turn.filter(({ fault }) => fault.restarts === 0).flatMap(({ targets }) => targets));
  const isWrong = ({ name }) => !names.has(name) || [...spared].some((target) => target.name === name);
  const count = (outcome) => results.filter((one) => one.outcome === outcome).length;
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

/** Of the monitor that lived longest. */
const watchMemory = (station) => {
  const lives = new Map();
  const timer = setInterval(async () => {
    const pid = (await readStatus(station))?.monitor.pid;
    const bytes = pid && residentBytes(pid);
    if (bytes) lives.set(pid, [...(lives.get(pid) ?? []), { atMs: Date.now(), bytes }]);
  }, SAMPLE_MS);
  return {
    end: () => {
      clearInterval(timer);
      const samples = [...lives.values()].sort((a, b) => b.length - a.length)[0] ?? [];
      const grown = samples.filter(({ atMs }) => atMs - samples[0].atMs >= YOUNG_MS);
      const quarter = Math.floor(grown.length / 4);
      if (quarter === 0) return { text: "The monitor's memory: not measured for long enough.", isFlat: true };
      const middle = (some) => median(some.map(({ bytes }) => bytes)) / 2 ** 20;
      const [first, last] = [middle(grown.slice(0, quarter)), middle(grown.slice(-quarter))];
      const lastedMin = ((samples.at(-1).atMs - samples[0].atMs) / 60_000).toFixed(0);
      return {
        isFlat: last <= first * MOST_GROWTH,
        text: `The monitor that lived longest, ${lastedMin} min: RSS ${first.toFixed(1)} MB in its first quarter (after two minutes), ${last.toFixed(1)} MB in its last, medians.`,
      };
    },
  };
};
