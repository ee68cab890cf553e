import { formatAddress, parseHost, parsePort } from '../lib/address.ts';
import { listenName, parseListen } from '../lib/listen-spec.ts';
import { type ConfigError, formatPath, type Name } from './errors.ts';
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
  readonly name: Name;
}

/** FAILURE_THRESHOLD goes before its old name, RESTART_THRESHOLD. An empty variable is none. */
export const readVariables = (file: Record<string, unknown>, variables: ConfigVariables): Overlay => {
  const errors: ConfigError[] = [];
  const input: Record<string, unknown> = { ...file };
  const names = new Map<string, string>();
  const number = (name: keyof ConfigVariables, key: string): boolean => {
    const value = variables[name];
    if (!value) return false;
    names.set(`monitor.${key}`, name);
    if (!/^\d+$/.test(value)) errors.push({ path: name, value, problem: 'expected a whole number' });
    else if (input['monitor'] === undefined || isRecord(input['monitor']))
      input['monitor'] = { ...input['monitor'], [key]: Number(value) };
    return true;
  };
  number('CHECK_INTERVAL_MS', 'intervalMs');
  if (!number('FAILURE_THRESHOLD', 'failureThreshold')) number('RESTART_THRESHOLD', 'failureThreshold');
  if (!variables.PROXIES)
    return { input, errors, name: (path) => names.get(formatPath(path)) ?? formatPath(path) };
  const entries = readProxies(variables.PROXIES, file['proxies'], errors);
  input['proxies'] = entries.map(({ value }) => value);
  const name: Name = (path) => {
    const [list, index, key, ...rest] = path;
    const entry = list === 'proxies' ? entries[Number(index)] : undefined;
    if (!entry || key === undefined) return names.get(formatPath(path)) ?? formatPath(path);
    return key === 'listen' || key === 'upstream'
      ? formatPath(['PROXIES', entry.item, key])
      : formatPath(['proxies', entry.inFile, key, ...rest]);
  };
  return { input, errors, name };
};

/** A proxy of the variable: its place there, and that of the file's entry whose other keys it has. */
interface Entry {
  readonly item: number;
  readonly inFile: number;
  readonly value: Record<string, unknown>;
}

/** "6274:localhost:6274,[::1]:7000:127.0.0.1:7001" → proxies, over the file's entries for the same ports. */
const readProxies = (list: string, fromFile: unknown, errors: ConfigError[]): readonly Entry[] => {
  const known: unknown[] = Array.isArray(fromFile) ? fromFile : [];
  return list.split(',').flatMap((text, item) => {
    const match = /^\s*(?<listen>.+?):(?<host>[^:[\]]+|\[[^\]]+\]):(?<port>\d+)\s*$/.exec(text)?.groups;
    const listen = match && parseListen(match['listen'] ?? '');
    const host = parseHost(match?.['host']?.replace(/^\[|\]$/g, '') ?? '');
    const port = parsePort(match?.['port'] ?? '');
    if (!match || !listen || host === undefined || port === undefined) {
      errors.push({
        path: `PROXIES[${item}]`,
        value: text,
        problem: 'expected LISTEN:HOST:PORT, such as "6274:localhost:6274"; ports are 1 to 65535',
      });
      return [];
    }
    const inFile = known.findIndex(
      (proxy) => isRecord(proxy) && nameOf(String(proxy['listen'])) === listenName(listen),
    );
    const kept = known[inFile];
    const written = { listen: match['listen'], upstream: formatAddress({ host, port }) };
    return [{ item, inFile, value: { ...(isRecord(kept) ? kept : {}), ...written } }];
  });
};

const nameOf = (written: string): string | undefined => {
  const listen = parseListen(written);
  return listen && listenName(listen);
};
