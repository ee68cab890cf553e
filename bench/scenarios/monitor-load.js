// Measures the latency of a proxy's clients while the monitor is under different loads.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT, pm2 } from '../chaos/sandbox/pm2-sandbox.js';
import { isAllUp, statusUntil } from '../chaos/sandbox/status.js';
import { launchWorker } from '../lib/children.js';
import { openPm2Sandbox } from '../lib/pm2-sandbox.js';
import { freePort } from '../lib/ports.js';
import { startEcho, startHttp } from '../lib/processes.js';
import { wrk, wrkFigures } from '../load/wrk.js';

const START_LIMIT_MS = 60_000;
/** The monitor notifies each end and each return of the application: ALERTS sets the flapping threshold high. */
const FLAP_MS = 2_000;
const ALERTS = { afterMs: 0, groupWaitMs: 0, flapping: { threshold: 1_000 } };
const WARM_UP_SECONDS = 1;

const launch = (path) => launchWorker(new URL(path, import.meta.url));

/** Each function begins a load of the monitor. It returns a function that ends it and returns the count of its events. */
const CONDITIONS = {
  quiet: async (environment) => counted(environment),
  scraped: async ({ readers, httpPort }) => {
    await readers.call('begin', { port: httpPort });
    return () => readers.call('end');
  },
  hung: async (environment) => {
    await environment.webhook.call('hang');
    const end = await counted(environment);
    return async () => {
      const count = await end();
      await environment.webhook.call('speak');
      return count;
    };
  },
};

const counted = async ({ webhook }) => {
  const before = await webhook.call('count');
  return async () => (await webhook.call('count')) - before;
};

/** @returns for each condition the figures of all rounds */
export const watched = async (context, progress) => {
  const environment = await setUp(context);
  const results = Object.fromEntries(Object.keys(CONDITIONS).map((key) => [key, []]));
  await load(environment, { ...context.sizes, seconds: WARM_UP_SECONDS });
  for (let round = 1; round <= context.rounds; round += 1)
    for (const [key, begin] of Object.entries(CONDITIONS)) {
      progress(`round ${round} of ${context.rounds}: ${key}`);
      const end = await begin(environment);
      results[key].push({ ...(await load(environment, context.sizes)), times: await end() });
    }
  await environment.stopFlapping();
  return results;
};

/** First loads with requests at a steady rate, then with as many as possible. */
const load = async ({ steady, port }, { seconds, small: { everyMs } }) => {
  const { p50, p99 } = await steady.call('run', { seconds, everyMs });
  return { steadyP50: p50, steadyP99: p99, ...wrkFigures({ cpu: 0, ...(await wrk(port, seconds)) }) };
};

/** Starts two proxies that are measured, a third whose application comes and goes, and the monitor with a webhook. */
const setUp = async (context) => {
  const http = await startHttp(context);
  const echo = await startEcho(context);
  const pm2Sandbox = openPm2Sandbox(context.folder);
  const port = await freePort();
  const steadyPort = await freePort();
  const outer = await freePort();
  const flapping = await freePort();
  const httpPort = await freePort();
  const hook = await freePort();
  const readers = launch('../load/slow-readers.js');
  const webhook = launch('../targets/upstream/webhook.js');
  const applications = launch('../chaos/workers/upstream.js');
  const steady = launch('../load/small.js');
  await webhook.call('open', { port: hook });
  await applications.call('open', { port: flapping, host: '127.0.0.1' });
  const proxies = [
    { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${http.port}` },
    { listen: `127.0.0.1:${steadyPort}`, upstream: `127.0.0.1:${echo.port}` },
    { listen: `127.0.0.1:${outer}`, upstream: `127.0.0.1:${flapping}` },
  ];
  const monitor = { http: `127.0.0.1:${httpPort}`, failureThreshold: 1 };
  writeFileSync(pm2Sandbox.env.STEADYPORT_CONFIG, JSON.stringify({ proxies, monitor, alerts: ALERTS }));
  writeFileSync(join(pm2Sandbox.folder, '.env'), `WEBHOOK_URL=http://127.0.0.1:${hook}/\n`);
  await pm2(pm2Sandbox, 'start', PROJECT);
  await statusUntil({ httpPort }, isAllUp, START_LIMIT_MS, 'all up after the start');
  await steady.call('open', { port: steadyPort, count: context.sizes.small.count });
  return { port, httpPort, readers, webhook, steady, stopFlapping: flap(applications, flapping) };
};

/** Closes and opens the application in turns. @returns a function that ends this, with the application open */
const flap = (applications, port) => {
  let hasEnded = false;
  const flaps = (async () => {
    for (let isOpen = true; !hasEnded || !isOpen; await sleep(FLAP_MS)) {
      await applications.call(isOpen ? 'close' : 'open', { port, host: '127.0.0.1' });
      isOpen = !isOpen;
    }
  })();
  return () => {
    hasEnded = true;
    return flaps;
  };
};
