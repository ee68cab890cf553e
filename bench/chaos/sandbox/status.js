// Reads the status of the monitor in a PM2 sandbox.
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const STATUS_LIMIT_MS = 1_000;
const POLL_MS = 100;

/** @returns the monitor's status over HTTP; undefined when it does not answer */
export const readStatus = ({ httpPort }) =>
  new Promise((done) => {
    const fail = () => done(undefined);
    const call = get(
      { host: '127.0.0.1', port: httpPort, path: '/api/v1/status', agent: false, timeout: STATUS_LIMIT_MS },
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

/** Polls the status until `end()`. @returns the samples, and each line of the monitor's log once */
export const follow = (pm2Sandbox) => {
  const samples = [];
  const lines = new Set();
  let hasEnded = false;
  const work = (async () => {
    while (!hasEnded) {
      const at = Date.now();
      const status = await readStatus(pm2Sandbox);
      samples.push({ at, status });
      for (const line of status?.log ?? []) lines.add(line);
      await sleep(Math.max(0, at + POLL_MS - Date.now()));
    }
  })();
  return {
    samples,
    end: async () => {
      hasEnded = true;
      await work;
      return { samples, lines: [...lines].map((line) => JSON.parse(line)) };
    },
  };
};

/** Waits until the condition holds. @returns the last status @throws after `limitMs`, with the last status */
export const statusUntil = async (pm2Sandbox, condition, limitMs, description) => {
  let last;
  for (const giveUpAt = Date.now() + limitMs; Date.now() < giveUpAt; await sleep(POLL_MS)) {
    last = await readStatus(pm2Sandbox);
    if (last && condition(last)) return last;
  }
  throw new Error(`not ${description} after ${limitMs / 1_000} s; ${describe(last)}`);
};

const describe = (status) => {
  if (!status) return 'the monitor does not answer';
  const notUp = status.proxies.filter(
    ({ state, pm2: pm2Status }) => state !== 'up' || pm2Status !== 'online',
  );
  return notUp
    .map(
      ({ id, state, cause, pm2: pm2Status, detail }) =>
        `${id} is ${state} (${cause}, PM2: ${pm2Status}, ${detail})`,
    )
    .concat(status.monitor.pm2Problem ?? [])
    .join('; ');
};

export const isAllUp = ({ monitor, proxies }) =>
  monitor.pm2Problem === null &&
  proxies.every(({ state, pm2: pm2Status }) => state === 'up' && pm2Status === 'online');
