import { existsSync } from 'node:fs';
import { DEFAULT_PROJECT } from '../../config/app-names.ts';
import type { Config, ProxyConfig } from '../../config/config.ts';
import {
  type ClaimFacts,
  type Holder,
  type OtherProject,
  readRecordFacts,
} from '../../config/project/claim.ts';
import { projectOf } from '../../config/project/project.ts';
import { realPath } from '../../config/project/real-path.ts';
import { listProjectRecords, type ProjectRecord, readProjectRecord } from '../../config/project/record.ts';
import type { Settings } from '../../config/settings.ts';
import { connectControl } from '../../ipc/client.ts';
import type { ProxyProtocol } from '../../ipc/protocol.ts';
import type { Address } from '../../lib/address.ts';
import { bindAddresses, covers } from '../../lib/listen-spec.ts';
import { listApps, listOwnApps, type Pm2App } from '../../pm2/client.ts';
import { START } from '../../pm2/daemon.ts';
import { isOfEarlierVersion, isOwnApp, REVISION } from '../../pm2/ecosystem.ts';
import { isProxyReport } from '../../proxy/report.ts';
import { localAddresses } from '../../system/proc/network-interfaces.ts';
import { isAnySocketServed, locateStateDir } from '../../system/state-dir.ts';

/** A process that answers later is left alone: of an address that nobody is known to have, the proxy itself finds out more. */
const REPORT_TIMEOUT_MS = 1_000;

/**
 * Looks at what the project and its neighbours have. It changes nothing.
 * @throws Pm2Failure when a PM2 that has something to say does not answer
 */
export const gatherFacts = async (config: Config, settings: Settings): Promise<ClaimFacts> => {
  const { project } = settings;
  const recordFacts = readRecordFacts(settings);
  const { record, pm2Home } = recordFacts;
  const isElsewhere = record !== undefined && realPath(record.pm2Home) !== pm2Home;
  const appsElsewhere = isElsewhere ? [...(await listOwnApps(record.pm2Home, settings, START)).keys()] : [];
  const listed = await listApps(settings.pm2Home, START);
  const hasApp =
    appsElsewhere.length > 0 || [...listed].some(([name, { env }]) => isOwnApp(settings, name, env));
  const byName = holdersByName(config, settings, listed);
  const byAddress = await holdersByAddress(config, settings);
  return {
    ...recordFacts,
    isRunning: hasApp || (await isAnySocketServed(project.stateDir)),
    appsElsewhere,
    holders: [...byName, ...byAddress.filter(({ app }) => !byName.some((holder) => holder.app === app))],
  };
};

/** The apps in this PM2 that have the name of one of ours, and are not ours. */
const holdersByName = (
  { proxies }: Config,
  settings: Settings,
  listed: ReadonlyMap<string, Pm2App>,
): readonly Holder[] =>
  [
    ...proxies.map(({ name, place }) => ({ name, place })),
    { name: settings.project.monitorApp, place: 'the monitor' },
  ].flatMap(({ name, place }) => {
    const app = listed.get(name);
    return app === undefined || isOwnApp(settings, name, app.env)
      ? []
      : [{ app: name, place, by: 'name' as const, owner: ownerOf(name, app) }];
  });

/** The project of an app; null when it is not steadyport's. */
const ownerOf = (app: string, { env }: Pm2App): OtherProject | null => {
  const { [REVISION]: revision, STEADYPORT_HOME: home, STEADYPORT_PROJECT: name } = env;
  const { STEADYPORT_CONFIG: configPath } = env;
  if (isOfEarlierVersion(app, env) && typeof home === 'string' && typeof configPath === 'string')
    return otherProject(DEFAULT_PROJECT, home, configPath);
  if (revision === undefined || typeof home !== 'string' || typeof name !== 'string') return null;
  return otherProject(name, home, readProjectRecord(projectOf(home, name).stateDir)?.configPath ?? null);
};

const otherProject = (name: string, home: string, configPath: string | null): OtherProject => ({
  name,
  home,
  configPath,
  isConfigThere: configPath !== null && existsSync(configPath),
});

/** The other projects of this STEADYPORT_HOME whose proxies serve an address of this config, in whichever PM2. */
const holdersByAddress = async (
  { proxies }: Config,
  { home, project }: Settings,
): Promise<readonly Holder[]> => {
  const others = listProjectRecords(home).filter(({ name }) => name !== project.name);
  const holders = others.flatMap((other) => proxies.map((proxy) => holderByAddress(proxy, home, other)));
  return (await Promise.all(holders)).filter((holder) => holder !== null);
};

const holderByAddress = async (
  proxy: ProxyConfig,
  home: string,
  { name, configPath }: ProjectRecord,
): Promise<Holder | null> => {
  const { socket } = locateStateDir(projectOf(home, name).stateDir).portFiles(proxy.id);
  if (!existsSync(socket)) return null;
  const local = localAddresses();
  const wanted = bindAddresses(proxy.listen, proxy.upstream, local);
  const isHeld = (await boundAddresses(socket)).some((bound) =>
    wanted.some((address) => overlaps(bound, address, local)),
  );
  return isHeld
    ? { app: proxy.name, place: proxy.place, by: 'address', owner: otherProject(name, home, configPath) }
    : null;
};

const overlaps = (a: Address, b: Address, local: readonly string[]): boolean =>
  (a.host === b.host && a.port === b.port) || covers(a, b, local) || covers(b, a, local);

/** The addresses that a proxy serves; none when it does not run, or does not say. */
const boundAddresses = async (socket: string): Promise<readonly Address[]> => {
  const client = await connectControl<ProxyProtocol>(socket, REPORT_TIMEOUT_MS).catch(() => undefined);
  try {
    const report: unknown = await client?.ask('report', null, REPORT_TIMEOUT_MS);
    return isProxyReport(report) ? report.bindings.filter(({ state }) => state === 'bound') : [];
  } catch {
    return [];
  } finally {
    client?.close();
  }
};
