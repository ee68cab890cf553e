import { formatAddress, parseHost, parsePort } from '../lib/address.ts';
import { listenerName, parseListenSpec } from '../lib/listen-spec.ts';
import { type ConfigError, type DescribePath, formatPath } from './errors.ts';
import { isRecord } from './schema.ts';

/** Variables that change the config: environment > .env > file > default. */
export const CONFIG_VARIABLES = [
  'PROXIES',
  'CHECK_INTERVAL_MS',
  'FAILURE_THRESHOLD',
  'RESTART_THRESHOLD',
] as const;
export type ConfigVariables = { readonly [name in (typeof CONFIG_VARIABLES)[number]]?: string | undefined };

/** The file with the variables over it, and how to call what stands there. */
export interface Overlay {
  readonly input: Record<string, unknown>;
  readonly errors: readonly ConfigError[];
  readonly describePath: DescribePath;
}

/** FAILURE_THRESHOLD goes before its old name, RESTART_THRESHOLD. An empty variable is none. */
export const applyVariables = (file: Record<string, unknown>, variables: ConfigVariables): Overlay => {
  const errors: ConfigError[] = [];
  const input: Record<string, unknown> = { ...file };
  const variableNames = new Map<string, string>();
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

/** A proxy of the variable: its place there, and that of the file's entry whose other keys it has. */
interface ProxyEntry {
  readonly itemIndex: number;
  readonly fileIndex: number;
  readonly value: Record<string, unknown>;
}

/** "6274:localhost:6274,[::1]:7000:127.0.0.1:7001" → proxies, over the file's entries for the same ports. */
const parseProxiesVariable = (
  variable: string,
  fileProxies: unknown,
  errors: ConfigError[],
): readonly ProxyEntry[] => {
  const fileEntries: unknown[] = Array.isArray(fileProxies) ? fileProxies : [];
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
    const fileIndex = fileEntries.findIndex(
      (proxy) => isRecord(proxy) && parseListenName(String(proxy['listen'])) === listenerName(listen),
    );
    const fileEntry = fileEntries[fileIndex];
    const overrides = { listen: match['listen'], upstream: formatAddress({ host, port }) };
    return [{ itemIndex, fileIndex, value: { ...(isRecord(fileEntry) ? fileEntry : {}), ...overrides } }];
  });
};

const parseListenName = (text: string): string | undefined => {
  const listen = parseListenSpec(text);
  return listen && listenerName(listen);
};
