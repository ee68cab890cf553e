import { formatAddress, parseHost, parsePort } from '../lib/address.ts';
import { listenerName, parseListenSpec } from '../lib/listen-spec.ts';
import { type ConfigError, type DescribePath, formatPath } from './errors.ts';
import { isRecord } from './schema.ts';

/** The variables that change the config. The order of precedence is: environment, `.env`, config file, default. */
export const CONFIG_VARIABLES = [
  'STEADYPORT_HOST',
  'PROXIES',
  'CHECK_INTERVAL_MS',
  'FAILURE_THRESHOLD',
  'RESTART_THRESHOLD',
] as const;
export interface ConfigVariables
  extends Partial<Record<(typeof CONFIG_VARIABLES)[number], string | undefined>> {
  /** PROXIES of `.env` where the environment has one, too, which goes over it: neither closes what the other names. */
  readonly dotEnvProxies?: string | undefined;
}

/** The config file with the variables applied over it, not yet checked by the schema. */
export interface Overlay {
  readonly input: Record<string, unknown>;
  /** The mistakes in the variables themselves. */
  readonly errors: readonly ConfigError[];
  /** Names the origin of a value: the variable that set it, or else its path in the file. */
  readonly describePath: DescribePath;
}

/**
 * Applies the variables over the config file. FAILURE_THRESHOLD takes precedence over its old name, RESTART_THRESHOLD. An
 * empty variable counts as unset.
 */
export const applyVariables = (file: Record<string, unknown>, variables: ConfigVariables): Overlay => {
  const errors: ConfigError[] = [];
  const input: Record<string, unknown> = { ...file };
  const variableNames = new Map<string, string>();
  if (variables.STEADYPORT_HOST) {
    variableNames.set('host', 'STEADYPORT_HOST');
    input['host'] = variables.STEADYPORT_HOST;
  }
  const applyNumber = (name: keyof ConfigVariables, key: string): boolean => {
    const value = variables[name];
    if (!value) return false;
    variableNames.set(`monitor.${key}`, name);
    if (!/^\d+$/.test(value)) errors.push({ path: name, value, problem: 'expected a whole number' });
    else if (input['monitor'] === undefined || isRecord(input['monitor']))
      input['monitor'] = { ...input['monitor'], [key]: Number(value) };
    return true;
  };
  applyNumber('CHECK_INTERVAL_MS', 'intervalMs');
  if (!applyNumber('FAILURE_THRESHOLD', 'failureThreshold'))
    applyNumber('RESTART_THRESHOLD', 'failureThreshold');
  const lists = proxyListsOf(variables);
  if (lists.length === 0)
    return { input, errors, describePath: (path) => variableNames.get(formatPath(path)) ?? formatPath(path) };
  const { proxies: fileProxies = [] } = file;
  // What is no list is a mistake in the file, which the schema reports.
  const fileEntries: readonly ProxyEntry[] = Array.isArray(fileProxies)
    ? fileProxies.map((value: unknown) => ({ value, origin: null }))
    : [];
  const entries = lists.reduce((merged, list) => applyProxyList(merged, list, errors), fileEntries);
  if (Array.isArray(fileProxies)) input['proxies'] = entries.map(({ value }) => value);
  const describePath: DescribePath = (path) => {
    const [section, index, key] = path;
    const origin = section === 'proxies' ? entries[Number(index)]?.origin : null;
    return origin && (key === 'listen' || key === 'upstream')
      ? `${origin}.${key}`
      : (variableNames.get(formatPath(path)) ?? formatPath(path));
  };
  return { input, errors, describePath };
};

/** PROXIES of one source, and its name in messages. */
interface ProxyList {
  readonly name: string;
  readonly text: string;
}

/** The lists of PROXIES, in the order in which they are applied. */
const proxyListsOf = ({ PROXIES, dotEnvProxies }: ConfigVariables): readonly ProxyList[] => [
  ...(dotEnvProxies ? [{ name: '.env: PROXIES', text: dotEnvProxies }] : []),
  ...(PROXIES ? [{ name: 'PROXIES', text: PROXIES }] : []),
];

/** One entry of the list of proxies. */
interface ProxyEntry {
  readonly value: unknown;
  /** The item of PROXIES that its addresses come from, such as "PROXIES[0]"; null for an entry of the file. */
  readonly origin: string | null;
}

/**
 * Applies "6274:localhost:6274,[::1]:7000:127.0.0.1:7001" over the entries: an item replaces the addresses of the entry for the
 * same port, and keeps its other keys; where there is none, it is added at the end. An entry that no item names stays. Of several
 * entries for one port the first that is enabled is meant; one that is disabled stays so. A second item for one port is added, which
 * the rules of the config then refuse.
 * @param errors receives the items that cannot be parsed
 */
const applyProxyList = (
  entries: readonly ProxyEntry[],
  { name, text: list }: ProxyList,
  errors: ConfigError[],
): readonly ProxyEntry[] => {
  const merged = [...entries];
  const indexes = indexByListener(entries);
  for (const [itemIndex, text] of list.split(',').entries()) {
    const origin = `${name}[${itemIndex}]`;
    const item = parseItem(text);
    if (!item) {
      errors.push({
        path: origin,
        value: text,
        problem: 'expected LISTEN:HOST:PORT, such as "6274:localhost:6274"; ports are 1 to 65535',
      });
      continue;
    }
    const { id, ...addresses } = item;
    const index = indexes.get(id) ?? merged.length;
    indexes.delete(id);
    const value = merged[index]?.value;
    merged[index] = { value: { ...(isRecord(value) ? value : {}), ...addresses }, origin };
  }
  return merged;
};

/** The index of the entry for each listener: of the first that is enabled, or else of the first. */
const indexByListener = (entries: readonly ProxyEntry[]): Map<string, number> => {
  const indexes = new Map<string, number>();
  const isDisabled = (index: number | undefined): boolean => {
    const value = index === undefined ? undefined : entries[index]?.value;
    return isRecord(value) && value['enabled'] === false;
  };
  for (const [index, { value }] of entries.entries()) {
    const id = isRecord(value) ? parseListenName(String(value['listen'])) : undefined;
    if (id === undefined) continue;
    const first = indexes.get(id);
    if (first === undefined || (isDisabled(first) && !isDisabled(index))) indexes.set(id, index);
  }
  return indexes;
};

/** One item of PROXIES; undefined when it cannot be parsed. */
const parseItem = (
  text: string,
): { readonly id: string; readonly listen: string; readonly upstream: string } | undefined => {
  const match = /^\s*(?<listen>.+?):(?<host>[^:[\]]+|\[[^\]]+\]):(?<port>\d+)\s*$/.exec(text)?.groups;
  const listen = match?.['listen'] ?? '';
  const id = parseListenName(listen);
  const host = parseHost(match?.['host']?.replace(/^\[|\]$/g, '') ?? '');
  const port = parsePort(match?.['port'] ?? '');
  return id === undefined || host === undefined || port === undefined
    ? undefined
    : { id, listen, upstream: formatAddress({ host, port }) };
};

const parseListenName = (text: string): string | undefined => {
  const listen = parseListenSpec(text);
  return listen && listenerName(listen);
};
