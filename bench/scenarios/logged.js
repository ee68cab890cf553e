// Measures new connections with a line in the log for each, by forwarders that are configured to write it.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { loaded, startForwarder, startHttp } from '../lib/processes.js';
import { wrk, wrkFigures, wrkRows } from '../load/wrk.js';

/** More than the 1 s after which nginx flushes its buffer. */
const MAX_WAIT_MS = 5_000;
const POLL_MS = 100;

export const logged = {
  key: 'logged',
  table: 'New connections, each with a line in the log',
  tools: ['wrk', 'nginx'],
  isFor: ({ logLine }) => logLine !== undefined,
  rows: wrkRows('new connection', 'new connections'),
  run: async (context) => {
    const forwarder = await startForwarder(await startHttp(context), context);
    let connections = 0;
    const result = await loaded(forwarder, context.sizes, async (share) => {
      const figures = await wrk(forwarder.port, context.sizes.seconds * share, 'Connection: close');
      connections += figures.requests;
      return figures;
    });
    await waitForLines(forwarder, context.forwarder.logLine, connections);
    return wrkFigures(result);
  },
};

const waitForLines = async ({ logPath }, logLine, expected) => {
  let lines = 0;
  for (const giveUpAt = Date.now() + MAX_WAIT_MS; Date.now() < giveUpAt; await sleep(POLL_MS)) {
    lines = readFileSync(logPath, 'latin1').match(logLine)?.length ?? 0;
    if (lines >= expected) return;
  }
  throw new Error(`${lines} lines in the log for ${expected} connections`);
};
