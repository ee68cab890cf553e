import type { Probe, ProbeKind } from '../../kinds/probes/registry.ts';
import type { Address } from '../../lib/address.ts';
import type { Exchange } from './exchange/exchange.ts';

/** The request of a probe, made from its config. */
export interface ProbeRequest {
  /** The beginning of a failure's text, such as "GET / at 127.0.0.1:80:". */
  nameAt(where: string): string;
  readonly exchange: Exchange;
  /** The exchange in plain text before a TLS handshake. Default: none. */
  readonly negotiateTls?: Exchange;
}

/**
 * The I/O half of a kind that opens a connection.
 * @param upstream the server that answers, whether the probe goes through the proxy or directly
 */
export type OpenProbe<Kind extends ProbeKind> = (probe: Probe<Kind>, upstream: Address) => ProbeRequest;
