/**
 * The room monitor/probes: the request of each kind of probe to its upstream; these are the I/O halves of src/kinds/probes.
 * A kind that is declared there and has no half here does not compile.
 */

import type { ConnectingKind, Probe, ProbeKind } from '../../kinds/probes/registry.ts';
import type { Address } from '../../lib/address.ts';
import { openExpectProbe } from './expect.ts';
import { openHttpProbe } from './http.ts';
import { isUpstreamListening } from './listen.ts';
import { openPostgresProbe } from './postgres.ts';
import type { OpenProbe, ProbeRequest } from './probe-request.ts';
import { openRedisProbe } from './redis.ts';
import { openTcpProbe } from './tcp.ts';

/** The I/O of a kind: it opens a connection, or reads the socket table. */
type ProbeIo<Kind extends ProbeKind> = Kind extends ConnectingKind
  ? OpenProbe<Kind>
  : typeof isUpstreamListening;

const PROBE_IO: { readonly [Kind in ProbeKind]: ProbeIo<Kind> } = {
  listen: isUpstreamListening,
  tcp: openTcpProbe,
  http: openHttpProbe,
  expect: openExpectProbe,
  redis: openRedisProbe,
  postgres: openPostgresProbe,
};

/** @param upstream the server that answers, whether the probe goes through the proxy or directly */
export const openProbe = (probe: Probe<ConnectingKind>, upstream: Address): ProbeRequest => {
  // TypeScript does not follow that `type` picks the half that takes this very probe; PROBE_IO's type guarantees it.
  const open = PROBE_IO[probe.type] as (probe: Probe<ConnectingKind>, upstream: Address) => ProbeRequest;
  return open(probe, upstream);
};
