import { createServer } from 'node:net';
import type { Config } from '../../config/config.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { type ClaimFacts, decideClaim, nextRecord } from '../../config/project/claim.ts';
import { monitorAddressesFor, withMonitorAddress } from '../../config/project/monitor-address.ts';
import type { Settings } from '../../config/settings.ts';
import { type Address, toNetOptions } from '../../lib/address.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { listOwnApps, Pm2Failure } from '../../pm2/client.ts';
import { START } from '../../pm2/daemon.ts';
import { removeSavedApps } from '../../pm2/dump.ts';
import { saveProjectRecord } from '../../system/project/save-record.ts';
import { locateStateDir } from '../../system/state-dir.ts';
import { commandLine } from '../command-line.ts';
import { warn } from '../terminal.ts';
import { gatherFacts } from './claim-facts.ts';
import { runExclusively } from './exclusive.ts';
import { countConnections, describeCount } from './start/announce.ts';
import { deleteApps } from './teardown.ts';

/** A project that this config and this PM2 may have. */
export interface Claim {
  /** The config that is to run: with the address of its monitor. */
  readonly config: Config;
  /** The line on what carryOut stops in another PM2, with the connections that this cuts; empty when there is nothing. */
  readonly moves: string;
  /**
   * Makes the project theirs, and writes down that it is. It stops what runs of it in another PM2, so whatever else may fail is
   * done before. The state directory exists.
   * @throws Pm2Failure when that PM2 does not answer, or does not stop what is to be moved
   */
  carryOut(): Promise<void>;
}

/**
 * Decides whether this config and this PM2 may have the project. Nothing is stopped and nothing is written.
 * @param takeOver the user wants what another config, or another PM2, has of this project
 * @throws UsageError when another config, PM2 or project has what it needs, with both paths and what to do
 * @throws Pm2Failure when a PM2 does not answer
 */
export const claimProject = async (
  { config, settings, monitorAddress }: LoadedConfig,
  takeOver: boolean,
): Promise<Claim> => {
  const facts = await gatherFacts(config, settings);
  const decision = decideClaim(facts, takeOver, {
    start: commandLine(settings, 'start'),
    takeOver: commandLine(settings, 'start', '--take-over'),
    stop: commandLine(settings, 'stop'),
  });
  if (decision.kind === 'refused') throw new UsageError(decision.reason);
  const claimed =
    monitorAddress === 'open'
      ? withMonitorAddress(config, await chooseMonitorAddress(settings, config))
      : config;
  const { record } = facts;
  const carryOut = async (): Promise<void> => {
    if (decision.kind === 'moves' && record !== undefined) await stopElsewhere(record.pm2Home, settings);
    const problem = saveProjectRecord(settings.project.stateDir, nextRecord(facts, monitorAddress, claimed));
    if (problem !== null) warn(problem);
  };
  return { config: claimed, moves: await describeMove(facts, settings), carryOut };
};

/**
 * The first free address.
 * @throws UsageError when there is none left
 */
const chooseMonitorAddress = async ({ home, project }: Settings, config: Config): Promise<Address> => {
  const candidates = monitorAddressesFor(home, project, config);
  for (const { address } of candidates) if (await isFree(address)) return address;
  throw new UsageError(
    `no port is free for the monitor of the project ${project.name}: set "monitor.http" in its config`,
  );
};

const isFree = (address: Address): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ ...toNetOptions(address), exclusive: true }, () => server.close(() => resolve(true)));
  });

const describeMove = async (
  { appsElsewhere, record }: ClaimFacts,
  { project }: Settings,
): Promise<string> => {
  if (appsElsewhere.length === 0 || record === undefined) return '';
  const counts = await countConnections(appsElsewhere, locateStateDir(project.stateDir));
  return `Moves from the PM2 of ${record.pm2Home}: ${appsElsewhere.join(', ')}${describeCount(appsElsewhere, counts)}\n`;
};

/** Takes the project's apps out of another PM2, and out of its saved list, or the next boot would start them there too. */
const stopElsewhere = async (pm2Home: string, settings: Settings): Promise<void> => {
  const { project } = settings;
  const exitCode = await runExclusively(pm2Home, async () => {
    const apps = await listOwnApps(pm2Home, settings, START);
    await deleteApps(pm2Home, locateStateDir(project.stateDir), project.monitorApp, apps);
    for (const problem of removeSavedApps(pm2Home, settings).problems) warn(problem);
    return 0;
  });
  if (exitCode !== 0) throw new Pm2Failure(`the apps in the PM2 of ${pm2Home} were not stopped`);
};
