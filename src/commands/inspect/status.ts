import { setTimeout as sleep } from 'node:timers/promises';
import type { ParsedArgs } from 'minimist';
import colours from 'picocolors';
import { requireConfig } from '../../config/load.ts';
import { connectControl } from '../../ipc/client.ts';
import type { MonitorProtocol } from '../../ipc/protocol.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { checkWithoutMonitor } from '../../monitor/offline-status.ts';
import { renderStatus, type TextStyle } from '../../status/render.ts';
import type { Snapshot } from '../../status/snapshot.ts';
import { exitCodeOf, selectProxies } from '../../status/summary.ts';
import { locateStateDir } from '../../system/state-dir.ts';

const ANSWER_TIMEOUT_MS = 2_000;
const REFRESH_INTERVAL_MS = 1_000;

/** `steadyport status [NAME] [--json] [--watch]`: exits 0 all up, 1 anything else, 2 usage, 3 no monitor. */
export const run = async (args: ParsedArgs): Promise<number> => {
  const { config, settings } = requireConfig();
  // `status | head` ends the pipe early.
  process.stdout.once('error', () => process.exit(0));
  const stateDir = locateStateDir(settings.stateDir);
  for (;;) {
    const answer = await askMonitor(stateDir.monitorSocket);
    const fullSnapshot =
      typeof answer === 'object'
        ? answer
        : await checkWithoutMonitor(config, stateDir, settings.pm2Home, answer === 'silent');
    const [name] = args._;
    const snapshot = name === undefined ? fullSnapshot : selectProxies(fullSnapshot, name);
    if (!snapshot)
      throw new UsageError(
        `no proxy "${name}"; there is: ${fullSnapshot.proxies.map((proxy) => proxy.name).join(', ')}`,
      );
    const columns = settings.columns ?? process.stdout.columns ?? 120;
    if (args['watch'] && process.stdout.isTTY) process.stdout.write('\x1b[2J\x1b[H');
    process.stdout.write(
      args['json'] ? `${JSON.stringify(snapshot)}\n` : renderStatus(snapshot, columns, paint, Date.now()),
    );
    if (!args['watch']) return exitCodeOf(snapshot);
    await sleep(REFRESH_INTERVAL_MS);
  }
};

const paint: TextStyle = { success: colours.green, error: colours.red, dim: colours.dim };

/** `silent`: there is one, and it does not answer in time. */
const askMonitor = async (socketPath: string): Promise<Snapshot | 'none' | 'silent'> => {
  try {
    const client = await connectControl<MonitorProtocol>(socketPath, ANSWER_TIMEOUT_MS);
    try {
      return await client.ask('status', null, ANSWER_TIMEOUT_MS);
    } finally {
      client.close();
    }
  } catch (error) {
    // EAGAIN: so many wait for its answer already that nobody more may (connect(2)).
    return ['ETIMEDOUT', 'EAGAIN'].includes((error as NodeJS.ErrnoException).code ?? '') ? 'silent' : 'none';
  }
};
