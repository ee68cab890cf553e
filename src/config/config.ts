/**
 * The room config: turns steadyport.json, the environment and `.env` into one frozen config and the settings.
 * A schema and rules across fields check them; the result is a config, or the list of every mistake.
 */

import { hostname } from 'node:os';
import * as v from 'valibot';
import type { Probe } from '../kinds/probes/registry.ts';
import { isLoopback } from '../lib/address.ts';
import { listenerName } from '../lib/listen-spec.ts';
import { printable } from '../lib/printable.ts';
import { proxyAppName } from './app-names.ts';
import { checkCrossFieldRules } from './cross-field-rules.ts';
import { applyVariables, type ConfigVariables } from './env-overrides.ts';
import { type ConfigError, describeIssue } from './errors.ts';
import {
  type alertsSchema,
  configSchema,
  isRecord,
  type logsSchema,
  type monitorSchema,
  type proxySchema,
} from './schema.ts';

/** One proxy. Durations are milliseconds; 0 means "at once" for holdMs and drainMs, and "never" for the time-outs. */
export interface ProxyConfig extends Omit<v.InferOutput<typeof proxySchema>, 'probe' | 'label' | 'enabled'> {
  /** The name of the PM2 app: `tcp-proxy-<port>` or `unix-proxy-<file name>`. */
  readonly name: string;
  /** "6274", or the file name of the unix socket. Unique among the proxies that are enabled. */
  readonly id: string;
  /** The listener in words: "port 6274" or "socket app.sock". */
  readonly place: string;
  readonly label: string;
  readonly probe: Probe;
}

/** What a proxy's process uses of its config. The rest is for the monitor: a change of that restarts no proxy. */
export type ForwardingConfig = Omit<ProxyConfig, 'label' | 'probe' | 'optional' | 'limits' | 'alerts'>;

export const forwardingOf = ({
  label: _label,
  probe: _probe,
  optional: _optional,
  limits: _limits,
  alerts: _alerts,
  ...forwarding
}: ProxyConfig): ForwardingConfig => forwarding;

export type MonitorConfig = v.InferOutput<typeof monitorSchema>;
export type AlertsConfig = v.InferOutput<typeof alertsSchema>;
export type LogsConfig = v.InferOutput<typeof logsSchema>;

export interface Config {
  /** The machine's name for people. */
  readonly host: string;
  /** The proxies that are enabled, in the order of the file; empty when all are disabled. */
  readonly proxies: readonly ProxyConfig[];
  /** The proxies with `"enabled": false`: they are shown, and nothing else. */
  readonly disabled: readonly ProxyConfig[];
  readonly monitor: MonitorConfig;
  readonly alerts: AlertsConfig;
  readonly logs: LogsConfig;
}

export type ConfigResult =
  | {
      readonly ok: true;
      readonly config: Config;
      /** False when neither the file nor a variable has the monitor's address (`monitor.http`). */
      readonly namesMonitorAddress: boolean;
    }
  | { readonly ok: false; readonly errors: readonly ConfigError[] };

/**
 * Checks the parsed steadyport.json with the variables applied over it.
 * The variable `PROXIES` adds to the list of proxies, and overrides the addresses of an entry for the same port.
 * @param defaultHttp the `monitor.http` of a config that has none. Default: that of the schema
 * @returns a frozen config, or every mistake at once
 */
export const parseConfig = (
  file: unknown,
  variables: ConfigVariables = {},
  defaultHttp?: false,
): ConfigResult => {
  if (!isRecord(file))
    return { ok: false, errors: [{ path: 'the config', value: file, problem: 'expected an object' }] };
  const applied = applyVariables(file, variables);
  const { monitor: monitorInput = {} } = applied.input;
  const namesMonitorAddress = isRecord(monitorInput) && monitorInput['http'] !== undefined;
  const overlay =
    defaultHttp === undefined || namesMonitorAddress || !isRecord(monitorInput)
      ? applied
      : {
          ...applied,
          input: { ...applied.input, monitor: { ...monitorInput, http: defaultHttp } },
        };
  const parsed = v.safeParse(configSchema, overlay.input, { abortPipeEarly: true });
  const issues = parsed.success
    ? []
    : parsed.issues.flatMap((issue) => describeIssue(issue, overlay.describePath));
  const errors = [...overlay.errors, ...issues, ...checkCrossFieldRules(overlay, parsed)];
  if (!parsed.success || errors.length > 0)
    // PROXIES leaves a list empty only when its items each have an error already: "the list is empty" would add nothing.
    return { ok: false, errors: variables.PROXIES ? errors.filter(isNotEmptyList) : errors };
  const { host = hostname(), proxies, monitor, alerts, logs } = parsed.output;
  const select = (isEnabled: boolean): readonly ProxyConfig[] =>
    proxies.filter(({ enabled }) => enabled === isEnabled).map(toProxyConfig);
  const config: Config = { host, proxies: select(true), disabled: select(false), monitor, alerts, logs };
  return { ok: true, config: deepFreeze(config), namesMonitorAddress };
};

const isNotEmptyList = ({ path, value }: ConfigError): boolean =>
  !(path === 'proxies' && Array.isArray(value) && value.length === 0);

const toProxyConfig = ({
  probe,
  label,
  enabled: _enabled,
  ...rest
}: v.InferOutput<typeof proxySchema>): ProxyConfig => {
  const id = listenerName(rest.listen);
  const isSocket = rest.listen.port === 0;
  const place = `${isSocket ? 'socket' : 'port'} ${id}`;
  return {
    ...rest,
    name: proxyAppName(id, isSocket),
    id,
    place,
    label: printable(label ?? place),
    probe: probe ?? { type: isLoopback(rest.upstream.host) ? 'listen' : 'tcp' },
  };
};

const deepFreeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null)
    for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
};
