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
export type ConfigVariables = { readonly [name in (typeof CONFIG_VARIABLES)[number]]?: string | undefined };

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
  if (!variables.PROXIES)
    return { input, errors, describePath: (path) => variableNames.get(formatPath(path)) ?? formatPath(path) };
  const entries = parseProxiesVariable(variables.PROXIES, file['proxies'], errors);
  input['proxies'] = entries.map(({ value }) => value);
  const describePath: DescribePath = (path) => {
    const [section, index, key, ...rest] = path;
    const entry = section === 'proxies' ? entries[Number(index)] : undefined;
    if (!entry || key === undefined) return variableNames.get(formatPath(path)) ?? formatPath(path);
    return key === 'listen' || key === 'upstream'
      ? formatPath(['PROXIES', entry.itemIndex, key])
      : formatPath(['proxies', entry.fileIndex, key, ...rest]);
  };
  return { input, errors, describePath };
};

/** One item of PROXIES. */
interface ProxyEntry {
  /** The item's index in the variable. */
  readonly itemIndex: number;
  /** The index of the file's entry for the same port, which gives the other keys; -1 when there is none. */
  readonly fileIndex: number;
  readonly value: Record<string, unknown>;
}

/**
 * Parses "6274:localhost:6274,[::1]:7000:127.0.0.1:7001". Each item is applied over the file's entry for the same port.
 * @param errors receives the items that cannot be parsed
 */
const parseProxiesVariable = (
  variable: string,
  fileProxies: unknown,
  errors: ConfigError[],
): readonly ProxyEntry[] => {
  const fileEntries: unknown[] = Array.isArray(fileProxies) ? fileProxies : [];
  const fileIndexes = new Map<string, number>();
  for (const [index, proxy] of fileEntries.entries()) {
    const name = isRecord(proxy) ? parseListenName(String(proxy['listen'])) : undefined;
    if (name !== undefined && !fileIndexes.has(name)) fileIndexes.set(name, index);
  }
  return variable.split(',').flatMap((text, itemIndex) => {
    const match = /^\s*(?<listen>.+?):(?<host>[^:[\]]+|\[[^\]]+\]):(?<port>\d+)\s*$/.exec(text)?.groups;
    const listen = match && parseListenSpec(match['listen'] ?? '');
    const host = parseHost(match?.['host']?.replace(/^\[|\]$/g, '') ?? '');
    const port = parsePort(match?.['port'] ?? '');
    if (!match || !listen || host === undefined || port === undefined) {
      errors.push({
        path: `PROXIES[${itemIndex}]`,
        value: text,
        problem: 'expected LISTEN:HOST:PORT, such as "6274:localhost:6274"; ports are 1 to 65535',
      });
      return [];
    }
    const fileIndex = fileIndexes.get(listenerName(listen)) ?? -1;
    const fileEntry = fileEntries[fileIndex];
    const overrides = { listen: match['listen'], upstream: formatAddress({ host, port }) };
    return [{ itemIndex, fileIndex, value: { ...(isRecord(fileEntry) ? fileEntry : {}), ...overrides } }];
  });
};

const parseListenName = (text: string): string | undefined => {
  const listen = parseListenSpec(text);
  return listen && listenerName(listen);
};
