// What the monitor of a station says of itself.
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const STATUS_LIMIT_MS = 1_000;
const LOOK_EVERY_MS = 100;

/** What the monitor says over HTTP; undefined when it does not. */
export const readStatus = ({ page }) =>
  new Promise((done) => {
    const fail = () => done(undefined);
    const call = get(
      { host: '127.0.0.1', port: page, path: '/api/v1/status', agent: false, timeout: STATUS_LIMIT_MS },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => done(JSON.parse(text))).on('error', fail);
      },
    );
    call.on('error', fail).on('timeout', () => call.destroy());
  });

/** Looks at the status again and again until `end()`: each look and each line of the monitor's log, once. */
export const follow = (station) => {
  const looks = [];
  const lines = new Set();
  let isOver = false;
  const work = (async () => {
    while (!isOver) {
      const atMs = Date.now();
      const status = await readStatus(station);
      looks.push({ atMs, status });
      for (const line of status?.log ?? []) lines.add(line);
      await sleep(Math.max(0, atMs + LOOK_EVERY_MS - Date.now()));
    }
  })();
  return {
    looks,
    end: async () => {
      isOver = true;
      await work;
      return { looks, lines: [...lines].map((line) => JSON.parse(line)) };
    },
  };
};

/** Resolves with the last status once `wanted` holds of it; rejects after `limitMs`, with what was seen last. */
export const statusUntil = async (station, wanted, limitMs, what) => {
  let last;
  for (const giveUpAt = Date.now() + limitMs; Date.now() < giveUpAt; await sleep(LOOK_EVERY_MS)) {
    last = await readStatus(station);
    if (last && wanted(last)) return last;
  }
  throw new Error(`not ${what} after ${limitMs / 1_000} s; ${describe(last)}`);
};

const describe = (status) => {
  if (!status) return 'the monitor does not answer';
  const said = status.proxies.filter(({ state, pm2: word }) => state !== 'up' || word !== 'online');
  return said
    .map(({ id, state, cause, pm2: word, detail }) => `${id} is ${state} (${cause}, PM2: ${word}, ${detail})`)
    .concat(status.monitor.pm2Problem ?? [])
    .join('; ');
};

export const isAllUp = ({ monitor, proxies }) =>
  monitor.pm2Problem === null && proxies.every(({ state, pm2: word }) => state === 'up' && word === 'online');
