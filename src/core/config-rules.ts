import { safeParse } from 'valibot';
import {
  type Address,
  bindAddresses,
  covers,
  formatListen,
  type Listen,
  listenName,
  literalHosts,
  parseAddress,
  parseListen,
  sharesPort,
} from './address.ts';
import type { ConfigError, Name } from './config-errors.ts';
import { isRecord, monitorSchema } from './config-schema.ts';
import type { Overlay } from './config-variables.ts';

/** The rules across fields. A value that is wrong in itself has been reported, and takes no part. */
export const crossCheck = ({ input, name }: Overlay): readonly ConfigError[] => {
  const { monitor } = input;
  // valibot takes a list for an object.
  if (Array.isArray(monitor)) return [{ path: 'monitor', value: monitor, problem: 'expected an object' }];
  const written = isRecord(monitor) ? monitor : {};
  return [
    ...checkOrder(written, name, { key: 'suspectIntervalMs', words: 'at most', than: 'intervalMs' }),
    ...checkOrder(written, name, { key: 'probeTimeoutMs', words: 'less than', than: 'upstreamIntervalMs' }),
    ...checkPorts(input['proxies'], written['http'], name),
  ];
};

type Duration = 'intervalMs' | 'upstreamIntervalMs' | 'suspectIntervalMs' | 'probeTimeoutMs';

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
    const id = listenName(listen);
    const twin = proxies.findIndex((other) => other.listen && listenName(other.listen) === id);
    const problems: [key: 'listen' | 'upstream', problem: string][] = [];
    if (twin !== index)
      problems.push([
        'listen',
        `expected a ${listen.port === 0 ? 'file name' : 'port'} of its own; ${name(['proxies', twin, 'listen'])} has ${id} already`,
      ]);
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
