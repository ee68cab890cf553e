import type { ParsedArgs } from 'minimist';
import { formatAddress, formatListen } from '../core/address.ts';
import { requireConfig } from '../host/config-file.ts';

/** `steadyport check-config [PATH]`: 0 and a line for each proxy, or 2 and every mistake. */
export const run = async (args: ParsedArgs): Promise<number> => {
  const { config, settings } = requireConfig(args._[0]);
  const lines = config.proxies.map(
    ({ name, label, listen, upstream }) =>
      `${name}  ${formatListen(listen)} → ${formatAddress(upstream)}  ${label}`,
  );
  process.stdout.write(`${settings.configPath} is valid:\n${lines.map((line) => `  ${line}\n`).join('')}`);
  return 0;
};
