import type { ParsedArgs } from 'minimist';
import { parseConfig } from '../../config/config.ts';
import { formatConfigError } from '../../config/errors.ts';
import { readSettings } from '../../config/settings.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { createLog } from '../../logging/logger.ts';
import { startProxy } from '../../proxy/proxy.ts';
import { chooseEngine } from '../../proxy/select-engine.ts';
import { exitWithFailure, shutDownOnSignal } from '../../system/shutdown.ts';

/** `steadyport proxy <listen> <upstreamHost> <upstreamPort>`: by hand, without PM2 and without a config file. */
export const run = async (args: ParsedArgs): Promise<undefined> => {
  const [listen, host, port] = args._;
  const upstream = host && joinUpstream(host, port);
  if (listen === undefined || !upstream)
    throw new UsageError(
      'expected: steadyport proxy <listen> <upstreamHost> <upstreamPort>, such as: proxy 6274 localhost 6274; ' +
        'or <listen> unix:/PATH',
    );
  const entry = { listen, upstream, ...readOptions(args) };
  const parsed = parseConfig({ proxies: [entry] });
  if (!parsed.ok)
    throw new UsageError(parsed.errors.map(formatConfigError).join('\n').replaceAll('proxies[0].', ''));
  const [proxyConfig] = parsed.config.proxies;
  if (!proxyConfig) return;
  const log = createLog(readSettings().logFormat);
  const startingProxy = startProxy(proxyConfig, chooseEngine(proxyConfig.engine), log, exitWithFailure);
  shutDownOnSignal(async () => (await startingProxy).drain(proxyConfig.drainMs));
  await startingProxy;
};

/** Undefined when the port is missing, or when a unix socket has one. */
const joinUpstream = (host: string, port: string | undefined): string | undefined => {
  if (host.startsWith('unix:')) return port === undefined ? host : undefined;
  if (port === undefined) return undefined;
  return host.includes(':') && !host.startsWith('[') ? `[${host}]:${port}` : `${host}:${port}`;
};

const NUMBER_OPTIONS = {
  'hold-ms': 'holdMs',
  'connect-timeout-ms': 'connectTimeoutMs',
  'idle-timeout-ms': 'idleTimeoutMs',
  'half-close-timeout-ms': 'halfCloseTimeoutMs',
  'max-connections': 'maxConnections',
} as const;

/** The options as config keys; what is not a number stays a text, for parseConfig to refuse by name. */
const readOptions = (args: ParsedArgs): Record<string, unknown> => {
  const entry: Record<string, unknown> = {};
  for (const [option, key] of Object.entries(NUMBER_OPTIONS)) {
    const value: unknown = args[option];
    if (value !== undefined) entry[key] = /^\d+$/.test(String(value)) ? Number(value) : value;
  }
  if (args['engine'] !== undefined) entry['engine'] = args['engine'];
  if (args['allow'] !== undefined)
    entry['allow'] = [args['allow']].flat().flatMap((list: string) => list.split(','));
  return entry;
};
