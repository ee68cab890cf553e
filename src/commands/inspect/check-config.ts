import type { ParsedArgs } from 'minimist';
import type { Config, ProxyConfig } from '../../config/config.ts';
import { type LoadedConfig, loadConfig } from '../../config/load.ts';
import { readSecrets } from '../../config/load-secrets.ts';
import { isSame, readAccepted } from '../../config/project/accepted.ts';
import { describeDifferences, findDrift } from '../../config/project/drift.ts';
import { configuredSecrets } from '../../config/secrets.ts';
import { readSettings, type Settings } from '../../config/settings.ts';
import { formatAddress } from '../../lib/address.ts';
import { formatMinute } from '../../lib/duration.ts';
import { formatListenSpec } from '../../lib/listen-spec.ts';
import { isUsageError, UsageError } from '../../lib/usage-error.ts';
import { describeRest } from '../config-drift.ts';
import { describeRefusedStart } from '../refuse-other-config.ts';

/**
 * `steadyport check-config [PATH]` prints a line for each proxy and exits with 0, or prints every mistake of the config and
 * of `.env` and exits with 2. In both cases it says what of it was applied.
 */
export const run = async (args: ParsedArgs): Promise<number> => {
  const ownSettings = readSettings(args._[0]);
  const { secrets, errors, warnings } = readSecrets(ownSettings);
  const { config, settings, monitorAddress } = requireAll(ownSettings, errors);
  const lines = [
    ...config.proxies.map(describeProxy),
    ...config.disabled.map((proxy) => `${describeProxy(proxy)}  (disabled)`),
    ...describeMonitor(config, monitorAddress),
  ];
  const channels = configuredSecrets(secrets).filter((name) => name !== 'heartbeat');
  lines.push(channels.length === 0 ? 'no alerts but in the log' : `alerts: ${channels.join(', ')}`);
  if (secrets.heartbeat !== null) lines.push('a heartbeat while all is well');
  const refusal = await describeRefusedStart(settings);
  lines.push(...(refusal === null ? describeApplied(config, settings) : [`it is not applied: ${refusal}`]));
  process.stdout.write(`${settings.configPath} is valid:\n${lines.map((line) => `  ${line}\n`).join('')}`);
  for (const warning of warnings) process.stderr.write(`steadyport: ${warning}\n`);
  return 0;
};

const describeProxy = ({ name, label, listen, upstream }: ProxyConfig): string =>
  `${name}  ${formatListenSpec(listen)} → ${formatAddress(upstream)}  ${label}`;

/** The address that an earlier start chose; none where the config says it, or where it is still to be chosen. */
const describeMonitor = (
  { monitor: { http } }: Config,
  monitorAddress: LoadedConfig['monitorAddress'],
): readonly string[] =>
  monitorAddress === 'remembered' && http !== false
    ? [`monitor: ${formatAddress(http)}, as an earlier start chose`]
    : [];

/** @throws UsageError that names every mistake of the config and then those of `.env` */
const requireAll = (settings: Settings, errors: readonly string[]) => {
  try {
    const required = loadConfig(settings);
    if (errors.length === 0) return required;
  } catch (error) {
    if (!isUsageError(error)) throw error;
    throw new UsageError([error.message, ...errors, ...describeRest(settings)].join('\n'), { cause: error });
  }
  throw new UsageError(errors.join('\n'));
};

/** Says whether a right config is what the last start accepted; nothing when there was none. */
const describeApplied = (config: Config, settings: Settings): readonly string[] => {
  const reading = readAccepted(settings.project.stateDir);
  if (reading.kind === 'missing') return [];
  if (reading.kind === 'unusable') return [`${reading.problem}: npm start`];
  const { accepted } = reading;
  const at = formatMinute(accepted.acceptedAt);
  const checked = { config, logFormat: settings.logFormat };
  if (isSame(accepted, checked)) return [`it was applied ${at}`];
  const differences = describeDifferences(accepted, checked).join(', ');
  const names = Object.keys(accepted.variables).join(', ');
  return names !== '' && findDrift(accepted, settings) === null
    ? [`it was applied ${at} with ${names} in the environment; without: ${differences}`]
    : [`it was not applied: ${differences}; what runs is of ${at}: npm start`];
};
