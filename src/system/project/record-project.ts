import type { Config } from '../../config/config.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { decideClaim, nextRecord, readRecordFacts } from '../../config/project/claim.ts';
import { monitorAddressesFor, withMonitorAddress } from '../../config/project/monitor-address.ts';
import { npmCommand } from '../../lib/command-lines.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { findListeners, findUnixListeners } from '../proc/socket-table.ts';
import { listPortIds, locateStateDir, makeStateDir } from '../state-dir.ts';
import { saveProjectRecord } from './save-record.ts';

/**
 * Writes down whose the project is now, when PM2's own command line starts it. What `steadyport start` has just written stays. A
 * file that PM2 loads cannot ask PM2 for its list, so this decides by the sockets of the project; without /proc nothing is refused.
 * @returns the config that is to run, with the address of its monitor; and why the record could not be written, null when it was,
 * or need not be
 * @throws UsageError when the project runs by another config
 */
export const recordProject = (
  loaded: LoadedConfig,
): { readonly config: Config; readonly problem: string | null } => {
  const { settings, monitorAddress } = loaded;
  const { project } = settings;
  const facts = readRecordFacts(settings);
  const { record, configPath, pm2Home } = facts;
  if (record?.configPath === configPath && record.pm2Home === pm2Home && monitorAddress !== 'open')
    return { config: loaded.config, problem: null };
  const isRunning = isAnySocketBound(project.stateDir);
  const decision = decideClaim({ ...facts, isRunning, appsElsewhere: [], holders: [] }, false, {
    start: 'npm start',
    takeOver: npmCommand('start', '--take-over'),
    stop: 'npm stop',
  });
  if (decision.kind === 'refused') throw new UsageError(decision.reason);
  // What another PM2 runs keeps its ports, and what this one starts stands by.
  if (record !== undefined && record.pm2Home !== pm2Home && isRunning)
    return { config: loaded.config, problem: null };
  makeStateDir(project.stateDir);
  const config = monitorAddress === 'open' ? withFreeAddress(loaded) : loaded.config;
  const problem = saveProjectRecord(project.stateDir, nextRecord(facts, monitorAddress, config));
  return { config, problem };
};

/** The first address on whose port nobody listens; without /proc the first one. */
const withFreeAddress = ({ config, settings: { home, project } }: LoadedConfig): Config => {
  const candidates = monitorAddressesFor(home, project, config);
  const free = candidates.find(({ address }) => (findListeners(address.port)?.length ?? 0) === 0);
  return free ? withMonitorAddress(config, free.address) : config;
};

/** True when a process of the project listens on its socket. */
const isAnySocketBound = (path: string): boolean => {
  const { monitorSocket, portFiles } = locateStateDir(path);
  const sockets = [monitorSocket, ...listPortIds(path).map((id) => portFiles(id).socket)];
  return sockets.some((socket) => findUnixListeners(socket).length > 0);
};
