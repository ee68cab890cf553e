import type { Probe, ProbeKind } from '../../kinds/probes/registry.ts';
import type { Address } from '../../lib/address.ts';
import type { Exchange } from './exchange/exchange.ts';

/** How a probe asks, made from its config. */
export interface ProbeRequest {
  /** How a failure begins, such as "GET / at 127.0.0.1:80:". */
  nameAt(where: string): string;
  readonly exchange: Exchange;
  /** What both ends say in plain text before a TLS handshake. Default: nothing. */
  readonly negotiateTls?: Exchange;
}

/**
 * The I/O half of a kind that opens a connection.
 * @param upstream who answers, whether the probe goes through the proxy or directly
 */
export type OpenProbe<Kind extends ProbeKind> = (probe: Probe<Kind>, upstream: Address) => ProbeRequest;
