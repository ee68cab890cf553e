// What is done to the monitor, and what of it a client of a proxy feels.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT, pm2 } from '../chaos/station.js';
import { isAllUp, statusUntil } from '../chaos/status.js';
import { launchHelper } from '../children.js';
import { startHttp } from '../parties.js';
import { openStation } from '../pm2-place.js';
import { freePort } from '../ports.js';
import { wrk, wrkFigures } from '../wrk.js';

const START_LIMIT_MS = 60_000;
/** The monitor sees each end and each return of the application. */
const FLAP_MS = 2_000;
const WARM_UP_SECONDS = 1;

const helper = (path) => launchHelper(new URL(path, import.meta.url));

/** Each begins something around the monitor; what that gives ends it, and says how often it has happened. */
const CONDITIONS = {
  quiet: async () => async () => undefined,
  scraped: async ({ readers, page }) => {
    await readers.ask('begin', { port: page });
    return () => readers.ask('end');
  },
  hung: async ({ receiver, applications, flapping }) => {
    const before = await receiver.ask('count');
    let isOver = false;
    const flaps = (async () => {
      for (let isOpen = true; !isOver || !isOpen; await sleep(FLAP_MS)) {
        await applications.ask(isOpen ? 'close' : 'open', { port: flapping, host: '127.0.0.1' });
        isOpen = !isOpen;
      }
    })();
    return async () => {
      isOver = true;
      await flaps;
      return (await receiver.ask('count')) - before;
    };
  },
};

/** @returns for each condition, figures of one round after the other */
export const watched = async (place, progress) => {
  const around = await setUp(place);
  const results = Object.fromEntries(Object.keys(CONDITIONS).map((key) => [key, []]));
  await wrk(around.port, WARM_UP_SECONDS);
  for (let round = 1; round <= place.rounds; round += 1)
    for (const [key, begin] of Object.entries(CONDITIONS)) {
      progress(`round ${round} of ${place.rounds}: ${key}`);
      const end = await begin(around);
      const figures = wrkFigures({ cpu: 0, ...(await wrk(around.port, place.sizes.seconds)) });
      results[key].push({ ...figures, times: await end() });
    }
  return results;
};

/** A proxy that is measured, one whose application comes and goes, and the monitor with a webhook that hangs. */
const setUp = async (place) => {
  const upstream = await startHttp(place);
  const station = openStation(place.folder);
  const [port, second, flapping, page, hook] = [
    ...[await freePort(), await freePort(), await freePort()],
    ...[await freePort(), await freePort()],
  ];
  const [readers, receiver, applications] = [
    helper('../clients/slow-readers.js'),
    helper('../upstream/never-answers.js'),
    helper('../chaos/upstream.js'),
  ];
  await receiver.ask('open', { port: hook });
  await applications.ask('open', { port: flapping, host: '127.0.0.1' });
  const proxies = [
    { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` },
    { listen: `127.0.0.1:${second}`, upstream: `127.0.0.1:${flapping}` },
  ];
  const config = { proxies, monitor: { http: `127.0.0.1:${page}` } };
  writeFileSync(station.env.STEADYPORT_CONFIG, JSON.stringify(config));
  writeFileSync(join(station.folder, '.env'), `WEBHOOK_URL=http://127.0.0.1:${hook}/\n`);
  await pm2(station, 'start', PROJECT);
  await statusUntil({ page }, isAllUp, START_LIMIT_MS, 'all up after the start');
  return { port, page, flapping, readers, receiver, applications };
};
