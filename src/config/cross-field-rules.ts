import { safeParse } from 'valibot';
import { type Address, literalHosts, parseAddress } from '../lib/address.ts';
import {
  bindAddresses,
  covers,
  formatListen,
  type Listen,
  listenName,
  parseListen,
  sharesPort,
} from '../lib/listen-spec.ts';
import { pm2FileName } from './app-names.ts';
import type { Overlay } from './env-overrides.ts';
import type { ConfigError, Name } from './errors.ts';
import { alertsSchema, isRecord, monitorSchema } from './schema.ts';

/** The rules across fields. A value that is wrong in itself has been reported, and takes no part. */
export const crossCheck = ({ input, name }: Overlay): readonly ConfigError[] => {
  const { monitor } = input;
  // valibot takes a list for an object.
  for (const key of ['monitor', 'logs'])
    if (Array.isArray(input[key])) return [{ path: key, value: input[key], problem: 'expected an object' }];
  const written = isRecord(monitor) ? monitor : {};
  return [
    ...checkOrder(written, name, { key: 'fastIntervalMs', words: 'at most', than: 'intervalMs' }),
    ...checkOrder(written, name, { key: 'probeTimeoutMs', words: 'less than', than: 'probeIntervalMs' }),
    ...checkPorts(input['proxies'], written['http'], name),
    ...checkAlerts(input['alerts'], name),
  ];
};

const checkAlerts = (alerts: unknown, name: Name): ConfigError[] => {
  // As above: a list is no object.
  const list = Array.isArray(alerts) ? ['alerts'] : ['alerts', 'flapping'];
  const found = isRecord(alerts) ? alerts['flapping'] : alerts;
  if (Array.isArray(found)) return [{ path: name(list), value: found, problem: 'expected an object' }];
  const parsed = safeParse(alertsSchema, alerts);
  if (!parsed.success) return [];
  const { groupWaitMs, repeatIntervalMs, flapping, quietHours } = parsed.output;
  const longer = `expected more than ${name(['alerts', 'groupWaitMs'])}, ${groupWaitMs}`;
  const another = `expected another time than ${name(['alerts', 'quietHours', 'from'])}`;
  const rules = [
    [
      repeatIntervalMs > 0 && repeatIntervalMs <= groupWaitMs,
      ['repeatIntervalMs'],
      repeatIntervalMs,
      `${longer}, or 0`,
    ],
    [flapping.windowMs <= groupWaitMs, ['flapping', 'windowMs'], flapping.windowMs, longer],
    [quietHours?.from === quietHours?.to && quietHours, ['quietHours', 'to'], quietHours?.to, another],
  ] as const;
  return rules.flatMap(([isBroken, key, found, problem]) =>
    isBroken ? [{ path: name(['alerts', ...key]), value: found, problem }] : [],
  );
};

type Duration = 'intervalMs' | 'probeIntervalMs' | 'fastIntervalMs' | 'probeTimeoutMs';

const checkOrder = (
  monitor: Record<string, unknown>,
  name: Name,
  { key, words, than }: { key: Duration; words: 'at most' | 'less than'; than: Duration },
): ConfigError[] => {
  const read = (of: Duration): number | undefined => {
    const parsed = safeParse(monitorSchema.entries[of], monitor[of]);
    return parsed.success ? parsed.output : undefined;
  };
  const [value, limit] = [read(key), read(than)];
  if (value === undefined || limit === undefined) return [];
  if (words === 'at most' ? value <= limit : value < limit) return [];
  const byDefault = monitor[key] === undefined ? `its default, ${value}, is too long; ` : '';
  const problem = `${byDefault}expected ${words} ${name(['monitor', than])}, ${limit}`;
  return [{ path: name(['monitor', key]), value: monitor[key], problem }];
};

const checkPorts = (list: unknown, page: unknown, name: Name): ConfigError[] => {
  const http = safeParse(monitorSchema.entries.http, page);
  const httpPort = http.success && http.output !== false ? http.output.port : undefined;
  const proxies = (Array.isArray(list) ? list : []).map(readAddresses);
  return proxies.flatMap(({ written, listen, upstream }, index) => {
    if (!listen) return [];
    const problems: [key: 'listen' | 'upstream', problem: string][] = [];
    const sameName = checkName(listen, index, proxies, name);
    if (sameName !== undefined) problems.push(['listen', sameName]);
    if (httpPort === listen.port)
      problems.push(['listen', `expected another port than that of monitor.http, ${formatPage(page)}`]);
    if (upstream && dialsItself(listen, upstream))
      problems.push([
        'upstream',
        `expected an address that is not the proxy's own listener, ${formatListen(listen)}`,
      ]);
    return problems.map(([key, problem]) => ({
      path: name(['proxies', index, key]),
      value: written[key],
      problem,
    }));
  });
};

/** Two proxies of one name would share an app, a folder of state, or, where PM2 spells both alike, a log. */
const checkName = (
  listen: Listen,
  index: number,
  proxies: readonly { readonly listen: Listen | undefined }[],
  name: Name,
): string | undefined => {
  const id = listenName(listen);
  const firstWith = (spell: (id: string) => string): number =>
    proxies.findIndex((other) => other.listen && spell(listenName(other.listen)) === spell(id));
  const twin = firstWith(String);
  if (twin !== index)
    return `expected a ${listen.port === 0 ? 'file name' : 'port'} of its own; ${name(['proxies', twin, 'listen'])} has ${id} already`;
  const alike = firstWith(pm2FileName);
  const other = proxies[alike]?.listen;
  if (alike === index || !other) return undefined;
  return `expected a file name that PM2 tells apart; it writes "_" as "-" in the names of its logs, and ${name(['proxies', alike, 'listen'])} has ${listenName(other)}`;
};

const formatPage = (page: unknown): string =>
  page === undefined ? `${monitorSchema.entries.http.default} by default` : String(page);

const readAddresses = (entry: unknown) => {
  const { listen, upstream } = isRecord(entry) ? entry : {};
  return {
    written: { listen, upstream },
    listen: typeof listen === 'string' ? parseListen(listen) : undefined,
    upstream: typeof upstream === 'string' ? parseAddress(upstream) : undefined,
  };
};

/** True when every address the upstream can have is the proxy's own listener. */
const dialsItself = (listen: Listen, upstream: Address): boolean => {
  if (listen.kind !== 'host' && sharesPort(listen, upstream)) return false;
  const bound = bindAddresses(listen, upstream, []);
  return literalHosts(upstream.host).every((host) =>
    bound.some((address) => covers(address, { host, port: upstream.port }, [])),
  );
};
