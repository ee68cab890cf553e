import { type Address, formatAddress, parseAddress } from '../../lib/address.ts';
import { DEFAULT_PROJECT } from '../app-names.ts';
import type { Config } from '../config.ts';
import type { Project } from './project.ts';
import { listProjectRecords } from './record.ts';

/** The port after that of the default project's monitor. */
const FIRST_PORT = 6_271;
const MAX_TRIES = 100;

/** Where the monitor of a config that names no `monitor.http` serves. */
export interface MonitorAddress {
  readonly address: Address;
  /** True when a start has chosen it before. It stays, whoever else has the port meanwhile: others have it in their bookmarks. */
  readonly isRemembered: boolean;
}

/**
 * The addresses for the monitor of a project other than default whose config names none, the best one first: the remembered one
 * alone, otherwise those on loopback that neither the config nor the record of another project has.
 */
export const monitorAddressesFor = (
  home: string,
  { name }: Pick<Project, 'name'>,
  { proxies }: Pick<Config, 'proxies'>,
): readonly MonitorAddress[] => {
  const records = listProjectRecords(home);
  const ownPorts = proxies.map(({ listen }) => listen.port);
  const remembered = parse(records.find((record) => record.name === name)?.http);
  if (remembered && !ownPorts.includes(remembered.port)) return [{ address: remembered, isRemembered: true }];
  const others = records.filter((record) => record.name !== name);
  const taken = [...ownPorts, ...others.map(({ http }) => parse(http)?.port)];
  return Array.from({ length: MAX_TRIES }, (_, index) => FIRST_PORT + index)
    .filter((port) => !taken.includes(port))
    .map((port) => ({ address: { host: '127.0.0.1', port }, isRemembered: false }));
};

const parse = (http: string | null | undefined): Address | undefined =>
  http ? parseAddress(http) : undefined;

/** True for a project whose monitor's address a start chooses, unless the config names it. */
export const hasChosenAddress = ({ name }: Pick<Project, 'name'>): boolean => name !== DEFAULT_PROJECT;

/** The config with this address of the monitor. */
export const withMonitorAddress = (config: Config, address: Address): Config =>
  Object.freeze({
    ...config,
    monitor: Object.freeze({ ...config.monitor, http: Object.freeze({ ...address }) }),
  });

/** The address as the record has it, "127.0.0.1:6271"; null for a monitor without HTTP. */
export const formatMonitorAddress = ({ monitor: { http } }: Pick<Config, 'monitor'>): string | null =>
  http === false ? null : formatAddress(http);
