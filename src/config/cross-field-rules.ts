import { safeParse } from 'valibot';
import { type Address, expandLocalhost, parseAddress } from '../lib/address.ts';
import {
  bindAddresses,
  covers,
  formatListenSpec,
  type ListenSpec,
  listenerName,
  parseListenSpec,
  sharesPort,
} from '../lib/listen-spec.ts';
import { pm2FileName } from './app-names.ts';
import type { Overlay } from './env-overrides.ts';
import type { ConfigError, DescribePath } from './errors.ts';
import { alertsSchema, isRecord, monitorSchema } from './schema.ts';

/** The rules across fields. A value that is wrong in itself has been reported, and takes no part. */
export const checkCrossFieldRules = ({ input, describePath }: Overlay): readonly ConfigError[] => {
  const { monitor } = input;
  // valibot takes a list for an object.
  for (const key of ['monitor', 'logs'])
    if (Array.isArray(input[key])) return [{ path: key, value: input[key], problem: 'expected an object' }];
  const monitorInput = isRecord(monitor) ? monitor : {};
  return [
    ...checkOrder(monitorInput, describePath, {
      key: 'fastIntervalMs',
      relation: 'at most',
      limitKey: 'intervalMs',
    }),
    ...checkOrder(monitorInput, describePath, {
      key: 'probeTimeoutMs',
      relation: 'less than',
      limitKey: 'probeIntervalMs',
    }),
    ...checkPorts(input['proxies'], monitorInput['http'], describePath),
    ...checkAlerts(input['alerts'], describePath),
  ];
};

const checkAlerts = (alerts: unknown, describePath: DescribePath): ConfigError[] => {
  // As above: a list is no object.
  const path = Array.isArray(alerts) ? ['alerts'] : ['alerts', 'flapping'];
  const value = isRecord(alerts) ? alerts['flapping'] : alerts;
  if (Array.isArray(value)) return [{ path: describePath(path), value, problem: 'expected an object' }];
  const parsed = safeParse(alertsSchema, alerts);
  if (!parsed.success) return [];
  const { groupWaitMs, repeatIntervalMs, flapping, quietHours } = parsed.output;
  const longerProblem = `expected more than ${describePath(['alerts', 'groupWaitMs'])}, ${groupWaitMs}`;
  const otherTimeProblem = `expected another time than ${describePath(['alerts', 'quietHours', 'from'])}`;
  const rules = [
    [
      repeatIntervalMs > 0 && repeatIntervalMs <= groupWaitMs,
      ['repeatIntervalMs'],
      repeatIntervalMs,
      `${longerProblem}, or 0`,
    ],
    [flapping.windowMs <= groupWaitMs, ['flapping', 'windowMs'], flapping.windowMs, longerProblem],
    [
      quietHours?.from === quietHours?.to && quietHours,
      ['quietHours', 'to'],
      quietHours?.to,
      otherTimeProblem,
    ],
  ] as const;
  return rules.flatMap(([isBroken, subPath, value, problem]) =>
    isBroken ? [{ path: describePath(['alerts', ...subPath]), value, problem }] : [],
  );
};

type DurationKey = 'intervalMs' | 'probeIntervalMs' | 'fastIntervalMs' | 'probeTimeoutMs';

const checkOrder = (
  monitor: Record<string, unknown>,
  describePath: DescribePath,
  { key, relation, limitKey }: { key: DurationKey; relation: 'at most' | 'less than'; limitKey: DurationKey },
): ConfigError[] => {
  const parseDuration = (durationKey: DurationKey): number | undefined => {
    const parsed = safeParse(monitorSchema.entries[durationKey], monitor[durationKey]);
    return parsed.success ? parsed.output : undefined;
  };
  const [value, limit] = [parseDuration(key), parseDuration(limitKey)];
  if (value === undefined || limit === undefined) return [];
  if (relation === 'at most' ? value <= limit : value < limit) return [];
  const defaultHint = monitor[key] === undefined ? `its default, ${value}, is too long; ` : '';
  const problem = `${defaultHint}expected ${relation} ${describePath(['monitor', limitKey])}, ${limit}`;
  return [{ path: describePath(['monitor', key]), value: monitor[key], problem }];
};

const checkPorts = (proxiesInput: unknown, httpInput: unknown, describePath: DescribePath): ConfigError[] => {
  const http = safeParse(monitorSchema.entries.http, httpInput);
  const httpPort = http.success && http.output !== false ? http.output.port : undefined;
  const proxies = (Array.isArray(proxiesInput) ? proxiesInput : []).map(readAddresses);
  return proxies.flatMap(({ raw, listen, upstream }, index) => {
    if (!listen) return [];
    const problems: [key: 'listen' | 'upstream', problem: string][] = [];
    const nameProblem = checkName(listen, index, proxies, describePath);
    if (nameProblem !== undefined) problems.push(['listen', nameProblem]);
    if (httpPort === listen.port)
      problems.push(['listen', `expected another port than that of monitor.http, ${formatHttp(httpInput)}`]);
    if (upstream && isSelfConnect(listen, upstream))
      problems.push([
        'upstream',
        `expected an address that is not the proxy's own listener, ${formatListenSpec(listen)}`,
      ]);
    return problems.map(([key, problem]) => ({
      path: describePath(['proxies', index, key]),
      value: raw[key],
      problem,
    }));
  });
};

/** Two proxies of one name would share an app, a folder of state, or, where PM2 spells both alike, a log. */
const checkName = (
  listen: ListenSpec,
  index: number,
  proxies: readonly { readonly listen: ListenSpec | undefined }[],
  describePath: DescribePath,
): string | undefined => {
  const id = listenerName(listen);
  const findIndexBy = (normalize: (id: string) => string): number =>
    proxies.findIndex(
      (existing) => existing.listen && normalize(listenerName(existing.listen)) === normalize(id),
    );
  const sameIdIndex = findIndexBy(String);
  if (sameIdIndex !== index)
    return `expected a ${listen.port === 0 ? 'file name' : 'port'} of its own; ${describePath(['proxies', sameIdIndex, 'listen'])} has ${id} already`;
  const sameLogIndex = findIndexBy(pm2FileName);
  const existing = proxies[sameLogIndex]?.listen;
  if (sameLogIndex === index || !existing) return undefined;
  return `expected a file name that PM2 tells apart; it writes "_" as "-" in the names of its logs, and ${describePath(['proxies', sameLogIndex, 'listen'])} has ${listenerName(existing)}`;
};

const formatHttp = (httpInput: unknown): string =>
  httpInput === undefined ? `${monitorSchema.entries.http.default} by default` : String(httpInput);

const readAddresses = (entry: unknown) => {
  const { listen, upstream } = isRecord(entry) ? entry : {};
  return {
    raw: { listen, upstream },
    listen: typeof listen === 'string' ? parseListenSpec(listen) : undefined,
    upstream: typeof upstream === 'string' ? parseAddress(upstream) : undefined,
  };
};

/** True when every address the upstream can have is the proxy's own listener. */
const isSelfConnect = (listen: ListenSpec, upstream: Address): boolean => {
  if (listen.kind !== 'host' && sharesPort(listen, upstream)) return false;
  const listenAddresses = bindAddresses(listen, upstream, []);
  return expandLocalhost(upstream.host).every((host) =>
    listenAddresses.some((address) => covers(address, { host, port: upstream.port }, [])),
  );
};
