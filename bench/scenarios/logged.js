// New connections, with a line of the log for each: those that do not do so by themselves are told to.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { loaded, startForwarder, startHttp } from '../lib/processes.js';
import { wrk, wrkFigures, wrkRows } from '../load/wrk.js';

/** nginx writes what it has kept after 1 s. */
const LONGEST_WAIT_MS = 5_000;
const LOOK_EVERY_MS = 100;

export const logged = {
  key: 'logged',
  table: 'New connections, each with a line in the log',
  tools: ['wrk', 'nginx'],
  isFor: ({ logLine }) => logLine !== undefined,
  rows: wrkRows('new connection', 'new connections'),
  run: async (place) => {
    const forwarder = await startForwarder(await startHttp(place), place);
    let connections = 0;
    const result = await loaded(forwarder, place.sizes, async (share) => {
      const figures = await wrk(forwarder.port, place.sizes.seconds * share, 'Connection: close');
      connections += figures.requests;
      return figures;
    });
    await waitForLines(forwarder, place.forwarder.logLine, connections);
    return wrkFigures(result);
  },
};

const waitForLines = async ({ logPath }, logLine, wanted) => {
  let lines = 0;
  for (const giveUpAt = Date.now() + LONGEST_WAIT_MS; Date.now() < giveUpAt; await sleep(LOOK_EVERY_MS)) {
    lines = readFileSync(logPath, 'latin1').match(logLine)?.length ?? 0;
    if (lines >= wanted) return;
  }
  throw new Error(`${lines} lines in the log for ${wanted} connections`);
};
