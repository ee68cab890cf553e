import type { ParsedArgs } from 'minimist';
import { proxyTitle } from '../../config/app-names.ts';
import { type ProxyConfig, parseConfig } from '../../config/config.ts';
import { formatConfigError } from '../../config/errors.ts';
import { readSettings } from '../../config/settings.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { createLog } from '../../logging/logger.ts';
import { startProxy } from '../../proxy/proxy.ts';
import { chooseEngine } from '../../proxy/select-engine.ts';
import { exitWithFailure, shutDownOnSignal } from '../../system/shutdown.ts';
import { PROXY_OPTIONS } from './proxy-options.ts';

/**
 * `steadyport proxy <listen> <upstreamHost> <upstreamPort>` forwards one port without PM2 and without a config file. The
 * arguments and options are checked as an entry of the config's `proxies`.
 */
export const run = async (args: ParsedArgs): Promise<undefined> => {
  const [listen, host, port] = args._;
  const upstream = host && joinUpstream(host, port);
  if (listen === undefined || !upstream)
    throw new UsageError(
      'expected: proxy <listen> <upstreamHost> <upstreamPort>, such as: proxy 6274 localhost 6274; ' +
        'or <listen> unix:/PATH',
    );
  const proxyConfig = parseEntry({ listen, upstream, ...readOptions(args) });
  process.title = proxyTitle(proxyConfig.id);
  const log = createLog(readSettings().logFormat);
  const startingProxy = startProxy(proxyConfig, chooseEngine(proxyConfig.engine), log, exitWithFailure);
  shutDownOnSignal(async () => (await startingProxy).drain(proxyConfig.drainMs));
  await startingProxy;
};

/** @throws UsageError that names every mistake by its key, without the index in the list */
const parseEntry = (entry: object): ProxyConfig => {
  const parsed = parseConfig({ proxies: [entry] });
  const errors = parsed.ok ? [] : parsed.errors;
  const proxyConfig = parsed.ok ? parsed.config.proxies[0] : undefined;
  if (proxyConfig) return proxyConfig;
  throw new UsageError(errors.map(formatConfigError).join('\n').replaceAll('proxies[0].', ''));
};

/** The upstream as the config writes it; undefined when the port is missing, or when a unix socket has one. */
const joinUpstream = (host: string, port: string | undefined): string | undefined => {
  if (host.startsWith('unix:')) return port === undefined ? host : undefined;
  if (port === undefined) return undefined;
  return host.includes(':') && !host.startsWith('[') ? `[${host}]:${port}` : `${host}:${port}`;
};

/** The options that were given, as keys of the config. */
const readOptions = (args: ParsedArgs): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(PROXY_OPTIONS)
      .filter(([option]) => args[option] !== undefined)
      .map(([option, [key, read]]) => [key, read(args[option])]),
  );
