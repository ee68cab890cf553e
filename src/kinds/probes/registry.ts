/**
 * The room kinds/probes: the declaration of each kind of probe (its config, its texts), without any I/O.
 * A new kind is a file here and a file in src/monitor/probes, and an entry in the registry of each folder.
 */

import * as v from 'valibot';
import { expectProbe } from './expect.ts';
import { httpProbe } from './http.ts';
import { listenProbe } from './listen.ts';
import { postgresProbe } from './postgres.ts';
import { redisProbe } from './redis.ts';
import { tcpProbe } from './tcp.ts';

/** Refuses, when it is compiled, a declaration whose `type` is not the key it stands under. */
const defineRegistry = <
  const Registry extends {
    readonly [Kind in keyof Registry]: {
      readonly schema: { readonly entries: { readonly type: { readonly literal: Kind } } };
    };
  },
>(
  registry: Registry,
): Registry => registry;

/** Every kind of probe by the value of `type`, in the order in which messages and docs/probes.md list them. */
export const PROBES = defineRegistry({
  listen: listenProbe,
  tcp: tcpProbe,
  http: httpProbe,
  expect: expectProbe,
  redis: redisProbe,
  postgres: postgresProbe,
});

export type ProbeKind = keyof typeof PROBES;

/** The parsed configs by their kind. */
type ProbeConfigs = { readonly [Kind in ProbeKind]: v.InferOutput<(typeof PROBES)[Kind]['schema']> };
/** The parsed config of a probe, of one kind or of any. */
export type Probe<Kind extends ProbeKind = ProbeKind> = ProbeConfigs[Kind];

type KindsWith<Flag extends 'touchesUpstream' | 'isThroughProxy'> = {
  readonly [Kind in ProbeKind]: (typeof PROBES)[Kind][Flag] extends true ? Kind : never;
}[ProbeKind];
/** The kinds that open a connection. */
export type ConnectingKind = KindsWith<'touchesUpstream'>;
/** The kinds that ask the application itself. */
type ApplicationKind = KindsWith<'isThroughProxy'>;

export const touchesUpstream = (probe: Probe): probe is Probe<ConnectingKind> =>
  PROBES[probe.type].touchesUpstream;

export const isThroughProxy = (probe: Probe): probe is Probe<ApplicationKind> =>
  PROBES[probe.type].isThroughProxy;

/** The scheme of the URLs under which other machines reach an upstream with this probe, such as "http". */
export const schemeOf = (probe: Probe): string => {
  const { scheme, tlsScheme = scheme } = PROBES[probe.type];
  return 'tls' in probe && probe.tls !== false ? tlsScheme : scheme;
};

const KIND_EXPECTED = `one of: ${Object.keys(PROBES).join(', ')}`;
const PROBE_EXPECTED = 'an object such as {"type": "tcp"}';

/** The config of a probe: one variant for each kind. */
export const probeSchema = v.variant(
  'type',
  Object.values(PROBES).map(({ schema, summary }) => v.pipe(schema, v.description(summary))),
  ({ path }) => (path ? KIND_EXPECTED : PROBE_EXPECTED),
);
