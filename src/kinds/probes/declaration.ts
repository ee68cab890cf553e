import * as v from 'valibot';

/** A kind of probe, without its I/O. The I/O half has the same file name in src/monitor/probes. */
interface ProbeDeclaration<Schema extends v.GenericSchema> {
  /** The config of a probe of this kind. */
  readonly schema: Schema;
  /** The check in words: the description in steadyport.schema.json. */
  readonly summary: string;
  /** The answer that passes the check, in words. */
  readonly expects: string;
  /** A config that the schema accepts, as a user would write it. */
  readonly example: v.InferInput<Schema>;
  /** False: the socket table answers, and no connection is opened. */
  readonly touchesUpstream: boolean;
  /**
   * True: the probe asks the application itself, through the proxy and, where that fails, directly. Only such a probe
   * distinguishes "the upstream is down" from "the proxy does not forward".
   */
  readonly isThroughProxy: boolean;
  /** The scheme of the URLs under which other machines reach an upstream with this probe. */
  readonly scheme: string;
  /** The scheme of those URLs where the probe has `tls`. Default: `scheme`. */
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
    v.description(
      'True: the probe uses TLS and accepts any certificate. "verify": it verifies the certificate, too',
    ),
  ),
  false,
);
