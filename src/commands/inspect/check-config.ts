import type { ParsedArgs } from 'minimist';
import type { ProxyConfig } from '../../config/config.ts';
import { requireConfig } from '../../config/load.ts';
import { readSecrets } from '../../config/load-secrets.ts';
import { configuredSecrets } from '../../config/secrets.ts';
import { readSettings } from '../../config/settings.ts';
import { formatAddress } from '../../lib/address.ts';
import { formatListenSpec } from '../../lib/listen-spec.ts';
import { isUsageError, UsageError } from '../../lib/usage-error.ts';

/**
 * `steadyport check-config [PATH]` prints a line for each proxy and exits with 0, or prints every mistake of the config and
 * of `.env` and exits with 2.
 */
export const run = async (args: ParsedArgs): Promise<number> => {
  const { secrets, errors, warnings } = readSecrets(readSettings(args._[0]));
  const { config, settings } = requireAll(args._[0], errors);
  const lines = [
    ...config.proxies.map(describeProxy),
    ...config.disabled.map((proxy) => `${describeProxy(proxy)}  (disabled)`),
  ];
  const channels = configuredSecrets(secrets).filter((name) => name !== 'heartbeat');
  lines.push(channels.length === 0 ? 'no alerts but in the log' : `alerts: ${channels.join(', ')}`);
  if (secrets.heartbeat !== null) lines.push('a heartbeat while all is well');
  process.stdout.write(`${settings.configPath} is valid:\n${lines.map((line) => `  ${line}\n`).join('')}`);
  for (const warning of warnings) process.stderr.write(`steadyport: ${warning}\n`);
  return 0;
};

const describeProxy = ({ name, label, listen, upstream }: ProxyConfig): string =>
  `${name}  ${formatListenSpec(listen)} → ${formatAddress(upstream)}  ${label}`;

/** @throws UsageError that names every mistake of the config and then those of `.env` */
const requireAll = (path: string | undefined, errors: readonly string[]) => {
  try {
    const required = requireConfig(path);
    if (errors.length === 0) return required;
  } catch (error) {
    if (!isUsageError(error)) throw error;
    throw new UsageError([error.message, ...errors].join('\n'), { cause: error });
  }
  throw new UsageError(errors.join('\n'));
};
