// What is done to the monitor, and what of it a client of a proxy feels.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT, pm2 } from '../../chaos/pm2-sandbox.js';
import { isAllUp, statusUntil } from '../../chaos/status.js';
import { launchHelper } from '../../lib/children.js';
import { openStation } from '../../lib/pm2-sandbox.js';
import { freePort } from '../../lib/ports.js';
import { startEcho, startHttp } from '../../lib/processes.js';
import { wrk, wrkFigures } from '../../load/wrk.js';

const START_LIMIT_MS = 60_000;
/** The monitor tells of each end and each return of the application: `ALERTS` calls none of them flapping. */
const FLAP_MS = 2_000;
const ALERTS = { groupWaitMs: 0, flapping: { threshold: 1_000 } };
const WARM_UP_SECONDS = 1;

const helper = (path) => launchHelper(new URL(path, import.meta.url));

/** Each begins something around the monitor; what that gives ends it, and says how often it has happened. */
const CONDITIONS = {
  quiet: async (around) => counted(around),
  scraped: async ({ readers, page }) => {
    await readers.ask('begin', { port: page });
    return () => readers.ask('end');
  },
  hung: async (around) => {
    await around.webhook.ask('hang');
    const end = await counted(around);
    return async () => {
      const count = await end();
      await around.webhook.ask('speak');
      return count;
    };
  },
};

const counted = async ({ webhook }) => {
  const before = await webhook.ask('count');
  return async () => (await webhook.ask('count')) - before;
};

/** @returns for each condition, figures of one round after the other */
export const watched = async (place, progress) => {
  const around = await setUp(place);
  const results = Object.fromEntries(Object.keys(CONDITIONS).map((key) => [key, []]));
  await load(around, { ...place.sizes, seconds: WARM_UP_SECONDS });
  for (let round = 1; round <= place.rounds; round += 1)
    for (const [key, begin] of Object.entries(CONDITIONS)) {
      progress(`round ${round} of ${place.rounds}: ${key}`);
      const end = await begin(around);
      results[key].push({ ...(await load(around, place.sizes)), times: await end() });
    }
  await around.stopFlapping();
  return results;
};

/** First as many requests as come at a steady rate, then as many as can be had. */
const load = async ({ steady, port }, { seconds, small: { everyMs } }) => {
  const { p50, p99 } = await steady.ask('run', { seconds, everyMs });
  return { steadyP50: p50, steadyP99: p99, ...wrkFigures({ cpu: 0, ...(await wrk(port, seconds)) }) };
};

/** Two proxies that are measured, one whose application comes and goes all the time, and the monitor with a webhook. */
const setUp = async (place) => {
  const [http, echo] = [await startHttp(place), await startEcho(place)];
  const station = openStation(place.folder);
  const [port, steadyPort, outer, flapping] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const [page, hook] = [await freePort(), await freePort()];
  const [readers, webhook, applications, steady] = [
    helper('../../load/slow-readers.js'),
    helper('../../targets/upstream/webhook.js'),
    helper('../../chaos/upstream.js'),
    helper('../../load/small.js'),
  ];
  await webhook.ask('open', { port: hook });
  await applications.ask('open', { port: flapping, host: '127.0.0.1' });
  const proxies = [
    { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${http.port}` },
    { listen: `127.0.0.1:${steadyPort}`, upstream: `127.0.0.1:${echo.port}` },
    { listen: `127.0.0.1:${outer}`, upstream: `127.0.0.1:${flapping}` },
  ];
  const monitor = { http: `127.0.0.1:${page}`, failureThreshold: 1 };
  writeFileSync(station.env.STEADYPORT_CONFIG, JSON.stringify({ proxies, monitor, alerts: ALERTS }));
  writeFileSync(join(station.folder, '.env'), `WEBHOOK_URL=http://127.0.0.1:${hook}/\n`);
  await pm2(station, 'start', PROJECT);
  await statusUntil({ page }, isAllUp, START_LIMIT_MS, 'all up after the start');
  await steady.ask('open', { port: steadyPort, count: place.sizes.small.count });
  return { port, page, readers, webhook, steady, stopFlapping: flap(applications, flapping) };
};

/** @returns what ends it, with the application there */
const flap = (applications, port) => {
  let isOver = false;
  const flaps = (async () => {
    for (let isOpen = true; !isOver || !isOpen; await sleep(FLAP_MS)) {
      await applications.ask(isOpen ? 'close' : 'open', { port, host: '127.0.0.1' });
      isOpen = !isOpen;
    }
  })();
  return () => {
    isOver = true;
    return flaps;
  };
};
