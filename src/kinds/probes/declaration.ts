import * as v from 'valibot';

/** What a kind of probe is, without its I/O. The I/O half has the same file name in src/monitor/probes. */
interface ProbeDeclaration<Schema extends v.GenericSchema> {
  /** The config of a probe of this kind. */
  readonly schema: Schema;
  /** What is checked, for people: the description in steadyport.schema.json. */
  readonly summary: string;
  /** What an upstream must do to pass, for people. */
  readonly expects: string;
  /** A config that the schema takes, as somebody would write it. */
  readonly example: v.InferInput<Schema>;
  /** False: the socket table answers, and no connection is opened. */
  readonly touchesUpstream: boolean;
  /**
   * True: the probe asks the application itself, through the proxy and, where that fails, directly. Only such a probe
   * tells "the upstream is down" from "the proxy does not forward".
   */
  readonly isThroughProxy: boolean;
  /** The scheme of the URLs under which other machines reach an upstream with this probe. */
  readonly scheme: string;
  /** The same, where the probe has `tls`. Default: `scheme`. */
  readonly tlsScheme?: string;
}

/** Checks one declaration and keeps its literal types, from which the registries are typed. */
export const declareProbe = <
  Schema extends v.GenericSchema,
  const Flags extends Pick<ProbeDeclaration<Schema>, 'touchesUpstream' | 'isThroughProxy'>,
>(
  declaration: ProbeDeclaration<Schema> & Flags,
): ProbeDeclaration<Schema> & Flags => declaration;

const TLS_EXPECTED = 'true, false or "verify"';

/** The `tls` of every kind that asks the application. Default: false. */
export const tlsSchema = v.optional(
  v.pipe(
    v.union([v.boolean(), v.literal('verify')], TLS_EXPECTED),
    v.description('True: over TLS, with any certificate; "verify": the certificate is verified too'),
  ),
  false,
);
