import type { BaseIssue, InferOutput } from 'valibot';
import { type Address, expandLocalhost } from '../lib/address.ts';
import {
  bindAddresses,
  covers,
  formatListenSpec,
  type ListenSpec,
  listenerName,
  sharesPort,
} from '../lib/listen-spec.ts';
import { pm2FileName } from './app-names.ts';
import type { Overlay } from './env-overrides.ts';
import type { ConfigError, DescribePath } from './errors.ts';
import { type configSchema, isRecord, monitorSchema } from './schema.ts';

/** The input as valibot parsed it. A value without an issue has the type of its schema, and its default. */
interface ParsedInput {
  readonly output: unknown;
  readonly issues?: readonly BaseIssue<unknown>[] | undefined;
}

/** Checks the rules across fields. A value that is wrong in itself has been reported, and takes no part. */
export const checkCrossFieldRules = (
  { input, describePath }: Overlay,
  parsed: ParsedInput,
): readonly ConfigError[] => {
  // valibot accepts a list as an object.
  for (const key of ['monitor', 'logs'])
    if (Array.isArray(input[key])) return [{ path: key, value: input[key], problem: 'expected an object' }];
  const { proxies = [], monitor = {}, alerts } = validValues(parsed);
  const monitorInput = isRecord(input['monitor']) ? input['monitor'] : {};
  return [
    ...checkOrder(monitor, monitorInput, describePath, {
      key: 'fastIntervalMs',
      relation: 'at most',
      limitKey: 'intervalMs',
    }),
    ...checkOrder(monitor, monitorInput, describePath, {
      key: 'probeTimeoutMs',
      relation: 'less than',
      limitKey: 'probeIntervalMs',
    }),
    ...checkPorts(proxies, monitor.http, input, describePath),
    ...checkAlerts(alerts, input['alerts'], describePath),
  ];
};

type ConfigValues = InferOutput<typeof configSchema>;
type AlertsValues = ConfigValues['alerts'];

/** The parsed values that have no issue. */
interface ValidValues {
  readonly proxies?: readonly (ProxyAddresses | undefined)[];
  readonly monitor?: Partial<ConfigValues['monitor']>;
  readonly alerts?: Partial<Omit<AlertsValues, 'flapping' | 'quietHours'>> & {
    readonly flapping?: Partial<AlertsValues['flapping']>;
    readonly quietHours?: Partial<AlertsValues['quietHours']>;
  };
}
type ProxyAddresses = Partial<Pick<ConfigValues['proxies'][number], 'listen' | 'upstream' | 'enabled'>>;

const validValues = ({ output, issues = [] }: ParsedInput): ValidValues => {
  const valid = structuredClone({ output });
  for (const { path = [] } of issues) {
    const keys = ['output', ...path.map(({ key }) => key as PropertyKey)];
    const parent = keys.slice(0, -1).reduce<unknown>(valueAt, valid);
    if (typeof parent === 'object' && parent !== null) Reflect.deleteProperty(parent, keys.at(-1) ?? '');
  }
  return (valid.output ?? {}) as ValidValues;
};

const valueAt = (parent: unknown, key: PropertyKey): unknown =>
  typeof parent === 'object' && parent !== null ? Reflect.get(parent, key) : undefined;

const checkAlerts = (
  alerts: ValidValues['alerts'],
  alertsInput: unknown,
  describePath: DescribePath,
): ConfigError[] => {
  // valibot accepts a list as an object here, too.
  const path = Array.isArray(alertsInput) ? ['alerts'] : ['alerts', 'flapping'];
  const value = isRecord(alertsInput) ? alertsInput['flapping'] : alertsInput;
  if (Array.isArray(value)) return [{ path: describePath(path), value, problem: 'expected an object' }];
  const errors: ConfigError[] = [];
  const report = (subPath: readonly string[], value: unknown, problem: string): void => {
    errors.push({ path: describePath(['alerts', ...subPath]), value, problem });
  };
  const { afterMs, ownFaultAfterMs, groupWaitMs, repeatIntervalMs, quietHours } = alerts ?? {};
  const { flapping: { windowMs } = {} } = alerts ?? {};
  const isOwnFaultSet = isRecord(alertsInput) && alertsInput['ownFaultAfterMs'] !== undefined;
  if (isOwnFaultSet && afterMs !== undefined && ownFaultAfterMs !== undefined && ownFaultAfterMs > afterMs)
    report(
      ['ownFaultAfterMs'],
      ownFaultAfterMs,
      `expected at most ${describePath(['alerts', 'afterMs'])}, ${afterMs}`,
    );
  if (groupWaitMs !== undefined) {
    const longerProblem = `expected more than ${describePath(['alerts', 'groupWaitMs'])}, ${groupWaitMs}`;
    if (repeatIntervalMs !== undefined && repeatIntervalMs > 0 && repeatIntervalMs <= groupWaitMs)
      report(['repeatIntervalMs'], repeatIntervalMs, `${longerProblem}, or 0`);
    if (windowMs !== undefined && windowMs <= groupWaitMs)
      report(['flapping', 'windowMs'], windowMs, longerProblem);
  }
  if (quietHours?.to !== undefined && quietHours.from === quietHours.to)
    report(
      ['quietHours', 'to'],
      quietHours.to,
      `expected another time than ${describePath(['alerts', 'quietHours', 'from'])}`,
    );
  return errors;
};

type DurationKey = 'intervalMs' | 'probeIntervalMs' | 'fastIntervalMs' | 'probeTimeoutMs';

const checkOrder = (
  monitor: NonNullable<ValidValues['monitor']>,
  monitorInput: Record<string, unknown>,
  describePath: DescribePath,
  { key, relation, limitKey }: { key: DurationKey; relation: 'at most' | 'less than'; limitKey: DurationKey },
): ConfigError[] => {
  const value = monitor[key];
  const limit = monitor[limitKey];
  if (value === undefined || limit === undefined) return [];
  if (relation === 'at most' ? value <= limit : value < limit) return [];
  const defaultHint = monitorInput[key] === undefined ? `its default, ${value}, is too long; ` : '';
  const problem = `${defaultHint}expected ${relation} ${describePath(['monitor', limitKey])}, ${limit}`;
  return [{ path: describePath(['monitor', key]), value: monitorInput[key], problem }];
};

const checkPorts = (
  proxies: readonly (ProxyAddresses | undefined)[],
  http: ConfigValues['monitor']['http'] | undefined,
  input: Record<string, unknown>,
  describePath: DescribePath,
): ConfigError[] => {
  // A proxy that is disabled has no port, no app and no files: what it names is free for others.
  const enabledProxies = proxies.map((proxy) => (proxy?.enabled === false ? undefined : proxy));
  const firstById = indexByName(enabledProxies, String);
  const firstByPm2Name = indexByName(enabledProxies, pm2FileName);
  return proxies.flatMap((proxy, index) => {
    const { listen, upstream } = proxy ?? {};
    if (!listen) return [];
    const errors: ConfigError[] = [];
    const report = (key: 'listen' | 'upstream', problem: string): void => {
      const path = ['proxies', index, key];
      errors.push({ path: describePath(path), value: path.reduce<unknown>(valueAt, input), problem });
    };
    const isEnabled = enabledProxies[index] !== undefined;
    const nameProblem = isEnabled
      ? checkName(listen, index, firstById, firstByPm2Name, describePath)
      : undefined;
    if (nameProblem !== undefined) report('listen', nameProblem);
    if (isEnabled && http && http.port === listen.port)
      report('listen', `expected another port than that of monitor.http, ${formatHttp(input)}`);
    if (upstream && isSelfConnect(listen, upstream))
      report(
        'upstream',
        `expected an address that is not the proxy's own listener, ${formatListenSpec(listen)}`,
      );
    return errors;
  });
};

/** A name of a listener, and the index of the proxy that has it. */
interface NamedProxy {
  readonly id: string;
  readonly index: number;
}

/** The first proxy of each name, by the name as `normalize` writes it. */
const indexByName = (
  proxies: readonly (ProxyAddresses | undefined)[],
  normalize: (id: string) => string,
): ReadonlyMap<string, NamedProxy> => {
  const firstProxies = new Map<string, NamedProxy>();
  for (const [index, proxy] of proxies.entries()) {
    const id = proxy?.listen && listenerName(proxy.listen);
    if (id !== undefined && !firstProxies.has(normalize(id))) firstProxies.set(normalize(id), { id, index });
  }
  return firstProxies;
};

/** Two proxies of one name would share an app, a folder of state, or, where PM2 spells both alike, a log. */
const checkName = (
  listen: ListenSpec,
  index: number,
  firstById: ReadonlyMap<string, NamedProxy>,
  firstByPm2Name: ReadonlyMap<string, NamedProxy>,
  describePath: DescribePath,
): string | undefined => {
  const id = listenerName(listen);
  const sameId = firstById.get(id);
  if (sameId && sameId.index !== index)
    return `expected a ${listen.port === 0 ? 'file name' : 'port'} of its own; ${describePath(['proxies', sameId.index, 'listen'])} has ${id} already`;
  const sameLog = firstByPm2Name.get(pm2FileName(id));
  if (!sameLog || sameLog.index === index) return undefined;
  return `expected a file name that PM2 tells apart; it writes "_" as "-" in the names of its logs, and ${describePath(['proxies', sameLog.index, 'listen'])} has ${sameLog.id}`;
};

const formatHttp = (input: Record<string, unknown>): string => {
  const http = valueAt(input['monitor'], 'http');
  return http === undefined ? `${monitorSchema.entries.http.default} by default` : String(http);
};

/** True when every address the upstream can have is the proxy's own listener. */
const isSelfConnect = (listen: ListenSpec, upstream: Address): boolean => {
  if (listen.kind !== 'host' && sharesPort(listen, upstream)) return false;
  const listenAddresses = bindAddresses(listen, upstream, []);
  return expandLocalhost(upstream.host).every((host) =>
    listenAddresses.some((address) => covers(address, { host, port: upstream.port }, [])),
  );
};
